"""Whole disputes in a few lines: a claim, a challenge, an opening, a verdict, and ways to cheat in each."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import reading
from modelmark.claim.judging.judge import Judgement, Papers, judge
from modelmark.claim.papers import envelope, lots, opening
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.statement import Statement
from modelmark.key import commitment
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.suspects.base import Ask
from modelmark.suspects.files import held
from modelmark.suspects.state import State

OWNER = Identity((("ed25519", bytes(range(32))),))
JUDGE = Identity((("ed25519", bytes(range(32, 64))),))
THIEF = Identity((("ed25519", bytes(range(64, 96))),))
NONCE = bytes(range(96, 128)).hex()
NOBODY = Trust()


def at(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00Z"


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A suspect of which only the answers to a key's pictures matter, one a leaf."""

    leaves: Sequence[bytes]
    given: Sequence[int]
    digest: str = "cd" * 32
    kind = "weights"

    def told(self, revealed: Mapping[str, str]) -> "Fixed":
        return self

    def observe(self, probe: Ask) -> list[np.ndarray]:
        given = dict(zip(self.leaves, self.given, strict=True))
        return [np.array([given[leaf] for leaf in probe.feed.leaves(probe.inputs)], np.int64)]


def answered(suspect: Any, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]) -> list[int]:
    """Return what the suspect answers to each query of these carriers."""
    carriers = reading.kind(statement).opened(statement, shown, revealed)
    told = suspect.told(revealed)
    return carriers.answers([told.observe(probe)[0] for probe in carriers.probes()]).tolist()


def statement_over(key: Key, leaves: Sequence[bytes], secret: Secret, **changes: Any) -> Statement:
    """The statement of a claimant who makes his own: over carriers of his choice."""
    root = commitment.commit(secret, leaves).hex()
    return dataclasses.replace(Statement.of(key.statement), root=root, carriers=len(leaves), **changes)


def claimed(statement: Statement, *, count: int = 1, identity: Identity = OWNER, **changes: Any) -> Signed[Claim]:
    entry = Entry(statement, lots.split(statement.trials, count))
    document = Claim(identity.signers, "", at(0), NONCE, (entry,), DrawRule("offline"), Policy(bar=8, suspects=4))
    return envelope.sign(dataclasses.replace(document, **changes), identity)


def challenged(claim: Signed[Claim], answering: Any, **changes: Any) -> Signed[Challenge]:
    frozen = Frozen(answering.kind, answering.digest)
    document = Challenge(JUDGE.signers, at(2), at(9), "", claim.digest, "", frozen, NONCE, 0, 0, 0, "exact", 8)
    return envelope.sign(dataclasses.replace(document, **changes), JUDGE)


def leaves(key: Key) -> list[bytes]:
    return list(key.carriers.leaves())


def concealed(key: Key) -> dict[str, str]:
    return key.private


def laid(
    claim: Signed[Claim], challenge: Signed[Challenge], secret: Secret, carriers: Sequence[bytes], *,
    identity: Identity = OWNER, shown: Mapping[str, str] | None = None, paper: Any = None,
) -> Papers:  # fmt: skip
    made, beside = opening.make(claim, challenge, identity, secret, carriers, issued=at(3), concealed=shown)
    return Papers(claim, paper, challenge, made, beside)


def verdict(papers: Papers, suspect: Any, trust: Trust = NOBODY, **changes: Any) -> Judgement:
    return judge(papers, suspect, JUDGE, trust, **({"now": at(4)} | changes))


def decided(papers: Papers, suspect: Any, **changes: Any) -> str:
    return verdict(papers, suspect, **changes).verdict.document.decision


def tried(key: Key, suspect: Any, **changes: Any) -> Judgement:
    """A whole honest dispute about a key: its offline claim, one lot, all opened."""
    claim = claimed(Statement.of(key.statement))
    return verdict(
        laid(claim, challenged(claim, suspect), key.secret, leaves(key), shown=concealed(key)), suspect, **changes
    )


def of(model: Any, arch: str = "cnn") -> State:
    return State(held(model.state_dict()), arch)


def net(judgement: Judgement) -> float:
    (weighed,) = judgement.verdict.document.weighed
    return weighed.net / 1000


def bytes_of(pictures: np.ndarray) -> list[bytes]:
    prefix = f"uint8 {'x'.join(map(str, pictures.shape[1:]))}\n".encode()
    return [prefix + picture.astype(np.uint8).tobytes() for picture in pictures]
