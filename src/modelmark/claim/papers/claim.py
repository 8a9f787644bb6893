"""The claim: what an owner dates before the message is drawn."""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, ClassVar

from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records, signing
from modelmark.claim.papers.interface import SINCE
from modelmark.claim.papers.recipients import SCHEMES, Recipients
from modelmark.claim.papers.records import Digest, MaybeDigest, Record, Since, Subject, Time
from modelmark.claim.papers.shapes import Choice, Hex, Integer, Listed, Text
from modelmark.claim.papers.signing import Signer
from modelmark.claim.papers.statement import Statement
from modelmark.errors import UsageError
from modelmark.key.draw import CHARGES

MOST_LOTS = 256
MOST_AUTHORITIES = 8


@dataclass(frozen=True)
class Entry:
    """One key of a claim, and how its evidence is portioned.

    Lots are consecutive ranges of trials that cover all of them, so nothing can be dropped: ``lots`` holds their sizes.
    Where carriers and trials are not the same things (``deepsigns``, ``null``, ``field``) there is one lot.

    Args:
        statement: the key's public statement; keys of other trigger families are entries of their own.
        lots: trials of each lot.
    """

    statement: Annotated[Statement, Record(Statement)]
    lots: Annotated[tuple[int, ...], Listed(Integer(1, MOST_CARRIERS), 1, MOST_LOTS)]

    def __post_init__(self) -> None:
        records.check(self)
        if sum(self.lots) != self.statement.trials:
            raise ValueError(f"expected lots that cover {self.statement.trials} trials, got {sum(self.lots)}")
        if len(self.lots) > 1 and not self.statement.apart:
            raise ValueError(
                f"expected one lot, as {self.statement.carriers} carriers are not the {self.statement.trials} trials, "
                f"got {len(self.lots)}"
            )
        if self.statement.self_check:
            raise ValueError("expected a key that can be evidence, got a self-check key")


@dataclass(frozen=True)
class DrawRule:
    """Where the message is to come from, said beforehand: what is left open is a free choice.

    Args:
        kind: ``offline``, ``timestamp`` or ``beacon``.
        authorities: SHA-256 of each timestamp authority's pinned certificate (DER); every one must stamp the claim.
        beacon: name of the beacon.
        round: its round, later than all stamps.
    """

    kind: Annotated[str, Choice(tuple(CHARGES))]
    authorities: Annotated[tuple[str, ...], Listed(Hex(32), 0, MOST_AUTHORITIES)] = ()
    beacon: Annotated[str, Text(64)] = ""
    round: Annotated[int, Integer(0, 2**53)] = 0

    def __post_init__(self) -> None:
        records.check(self)
        if (self.kind == "offline") != (not self.authorities):
            raise ValueError(
                f"expected authorities exactly when there is a deposit, got {len(self.authorities)} and {self.kind!r}"
            )
        if (self.kind == "beacon") != bool(self.beacon) or bool(self.beacon) != bool(self.round):
            raise ValueError(f"expected a beacon and its round exactly for 'beacon', got {self.beacon!r}, {self.round}")
        if list(self.authorities) != sorted(set(self.authorities)):
            raise ValueError("expected authorities in ascending order, each once")


@dataclass(frozen=True)
class Policy:
    """What will count, said beforehand.

    Args:
        bar: net bits from which evidence is established.
        suspects: how many suspects may ever be tried; charged.
        readings: how many ways of reading a suspect may be tried: 2 for as it is and aligned to the key's host; charged.
    """

    bar: Annotated[int, Integer(1, 2**16)] = 64
    suspects: Annotated[int, Integer(1, 2**32)] = 1
    readings: Annotated[int, Integer(1, 2**16)] = 1

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Claim:
    """What the owner says and dates before any message is drawn.

    Args:
        signers: the claimant's public keys.
        claimant: a name, for people.
        issued: the claimant's own clock; proves nothing.
        nonce: 32 random bytes, hex.
        keys: one entry per key.
        draw: where the message comes from.
        policy: bar and charges.
        prior: digests of the claimant's earlier claims on the same matter, ascending; each is a try, and charged.
        release: root digest of an OpenSSF model-signing manifest, where a model was released; else empty.
        recipients: what is said of copies, for each key that may have some, ascending by key; since version 2.
    """

    signers: Annotated[tuple[Signer, ...], Listed(Record(Signer), 1, 3)]
    claimant: Annotated[str, Text(200)]
    issued: Time
    nonce: Digest
    keys: Annotated[tuple[Entry, ...], Listed(Record(Entry), 1, 64)]
    draw: Annotated[DrawRule, Record(DrawRule)]
    policy: Annotated[Policy, Record(Policy)]
    prior: Annotated[tuple[str, ...], Listed(Hex(32), 0, 1024)] = ()
    release: MaybeDigest = ""
    recipients: Annotated[tuple[Recipients, ...], Listed(Record(Recipients), 0, 64), Since(2)] = ()

    kind: ClassVar[str] = "claim"
    more_versions: ClassVar[tuple[int, ...]] = (SINCE,)

    @property
    def least(self) -> int:
        """The version of claims from which on keys like these may be in one."""
        return SINCE if any(entry.statement.v > 1 for entry in self.keys) else 1

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)
        if len({entry.statement.root for entry in self.keys}) < len(self.keys):
            raise ValueError("expected keys with different roots, got one root twice: it is one key")
        if list(self.prior) != sorted(set(self.prior)):
            raise ValueError("expected prior claims in ascending order, each once")
        numbers = [said.key for said in self.recipients]
        if numbers != sorted(set(numbers)):
            raise ValueError("expected what is said of copies in ascending order of keys, each once")
        for said in self.recipients:
            self._require_copies(said)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What the in-toto statement is about: the keys, and the release if there is one."""
        keys = [
            (f"key/{number}", "modelmarkStatementV1", entry.statement.digest.hex())
            for number, entry in enumerate(self.keys)
        ]
        return (*keys, *([("release", "sha256", self.release)] if self.release else []))

    def _require_copies(self, said: Recipients) -> None:
        if said.key >= len(self.keys) or self.keys[said.key].statement.scheme not in SCHEMES:
            raise ValueError(f"expected a key of {', '.join(SCHEMES)} for copies, key {said.key} is none")
        if said.count and self.draw.kind == "offline":
            raise ValueError(
                "expected a draw that binds the claim for a list of names, an offline one binds the key alone"
            )


def copies(claim: Claim, key: int) -> Recipients | None:
    """Return what a claim says of the copies of one of its keys, None where it has none."""
    return next((said for said in claim.recipients if said.key == key), None)


def of_one_secret(claim: Claim) -> tuple[tuple[int, int], ...]:
    """Return pairs of keys that show that they were made from one secret: they conceal one value under one salt."""
    concealed = [set(entry.statement.concealed.items()) for entry in claim.keys]
    return tuple(pair for pair in combinations(range(len(concealed)), 2) if concealed[pair[0]] & concealed[pair[1]])


def require_claimant(claim: Claim, signers: tuple[Signer, ...]) -> None:
    """Raise UsageError unless these are the keys that signed a claim."""
    if claim.signers != signers:
        raise UsageError("expected the identity that signed the claim, got another")
