"""``judge``: everything is derived again from the papers, check by check, and the outcome is signed.

The first check that fails decides; those after it are skipped. Only one step touches the suspect, and it is given as an
object, so that this file needs no torch.
"""

import importlib.metadata
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from modelmark import canonical, hashing
from modelmark.claim import carriers, deposit, envelope, opening, order, transcript, weighing
from modelmark.claim.claim import Claim
from modelmark.claim.deposit import Dated, Trust
from modelmark.claim.dispute import Challenge, Deposit, Opening
from modelmark.claim.envelope import Signed
from modelmark.claim.identity import Identity
from modelmark.claim.opening import Opened
from modelmark.claim.shapes import instant, written
from modelmark.claim.statement import Statement
from modelmark.claim.transcript import Head, Transcript
from modelmark.claim.verdict import SENTENCES, Check, Revocation, Spent, Verdict, Weighed
from modelmark.errors import MalformedError, MismatchError, RefusedError, UsageError

T = TypeVar("T")


class Suspect(Protocol):
    """What is judged. ``modelmark.asking`` makes one of weights, ``Recorded`` one of a transcript."""

    kind: str
    digest: str

    def answers(self, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]) -> Mapping[int, int]:
        """Return a label (or bit) for each opened carrier, by its number; a transcript may lack some.

        Raises:
            RefusedError: the suspect cannot be asked, or does not answer as a classifier does.
        """
        ...


@dataclass(frozen=True)
class Recorded:
    """A suspect of which only a transcript is at hand."""

    record: Transcript
    kind: str = "transcript"

    @property
    def digest(self) -> str:  # type: ignore[override]
        """The transcript's."""
        return self.record.digest

    def answers(self, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]) -> Mapping[int, int]:
        """Return what is recorded."""
        return self.record.answers(shown)


@dataclass(frozen=True)
class Papers:
    """What lies before the judge.

    Args:
        claim, deposit, challenge, opening: the deposit is None for an offline claim, the opening where none came.
        beside: the carriers that travelled beside the opening.
        verdicts, revocations: all that are known of the claim.
    """

    claim: Signed[Claim]
    deposit: Signed[Deposit] | None
    challenge: Signed[Challenge]
    opening: Signed[Opening] | None
    beside: bytes = b""
    verdicts: Sequence[Signed[Verdict]] = ()
    revocations: Sequence[Signed[Revocation]] = ()


@dataclass(frozen=True)
class Judgement:
    """The verdict, and the record of the suspect's answers whose digest it names (None where nothing was asked)."""

    verdict: Signed[Verdict]
    record: Transcript | None


@dataclass
class _Docket:
    """Checks made so far, and what the first failure decided."""

    checks: list[Check] = field(default_factory=list)
    decision: str = ""

    def check(self, name: str, failing: str, step: Callable[[], tuple[T, str]]) -> T | None:
        """Take one step, which returns what it found and a word about it, unless a check before it failed."""
        if self.decision:
            self.checks.append(Check(name, "skipped", "an earlier check failed"))
            return None
        try:
            found, detail = step()
        except RefusedError as error:
            self.checks.append(Check(name, "fail", _line(str(error))))
            self.decision = failing
            return None
        self.checks.append(Check(name, "skipped" if found is None else "pass", _line(detail)))
        return found


def judge(
    papers: Papers,
    suspect: Suspect,
    identity: Identity,
    trust: Trust,
    *,
    now: str,
    received: str = "",
    first_seen: str = "",
    class_names: Sequence[str] = (),
) -> Judgement:
    """Return the signed verdict on a suspect.

    Args:
        papers: claim, deposit, challenge, opening, and what is known beside them.
        suspect: answers what was opened.
        identity: the judge, who signed the challenge.
        trust: whom the judge believes.
        now: the judge's clock, as documents write a time.
        received: when the opening came, by the judge's clock; now, if left out.
        first_seen: when the suspect is first known to the judge from elsewhere than its tokens; may be empty.
        class_names: the suspect's own class map, in the order of its outputs, where it is known.

    Raises:
        MismatchError: the challenge is not this judge's.
        UsageError: the claim names an authority or a beacon that is not trusted here; the time for an opening is not over.
    """
    asked = papers.challenge.document
    if asked.signers != identity.signers:
        raise MismatchError("expected a challenge of this judge's own, got another's")
    if papers.opening is None and instant(now) <= instant(asked.expires):
        raise UsageError(f"expected an opening, or to wait for one until {asked.expires}, got none")
    docket = _Docket()
    docket.check("signatures", "invalid-claim", lambda: _signatures(papers))
    docket.check("papers", "invalid-claim", lambda: _together(papers))
    dated = docket.check("deposit", "invalid-claim", lambda: _dated(papers, trust))
    docket.check("revocation", "invalid-claim", lambda: _said(order.require_standing(papers.claim, asked, papers.revocations)))
    suspects = papers.claim.document.policy.suspects
    docket.check(
        "lot", "not-decidable",
        lambda: _said(order.require_unspent(papers.claim.digest, asked, suspects, papers.verdicts)),
    )  # fmt: skip
    docket.check("opening in time", "no-evidence", lambda: _present(papers))
    docket.check("expiry", "invalid-claim", lambda: _in_time(papers, received or now))
    opened = docket.check("opening", "invalid-claim", lambda: _opened(papers))
    shown = docket.check("carriers", "invalid-claim", lambda: _carriers(opened, papers.beside))
    docket.check("suspect", "not-decidable", lambda: _frozen(suspect, asked))
    seen = docket.check("suspect's date", "not-decidable", lambda: _seen(asked, trust, first_seen))
    docket.check("order in time", "not-decidable", lambda: _order(dated, seen))
    docket.check("class map", "not-decidable", lambda: _class_map(opened, class_names))
    answers = docket.check("answers", "not-decidable", lambda: _answers(suspect, opened, shown))
    weighed = docket.check("test", "not-decidable", lambda: _weigh(papers, dated, opened, answers))
    record = _record(suspect, papers, shown, answers)
    decision = docket.decision or _decide(weighed)
    verdict = Verdict(
        identity.signers, now, papers.claim.digest, papers.deposit.digest if papers.deposit else "",
        papers.challenge.digest, papers.opening.digest if papers.opening else "", asked.suspect,
        record.digest if record else "",
        claim_date=_date(dated), suspect_date=seen or "",
        order=order.order(dated.date if dated else None, seen or ""), checks=tuple(docket.checks),
        weighed=(weighed,) if weighed else (), decision=decision, sentence=SENTENCES[decision],
        spent=(Spent(asked.key, asked.lot),) if papers.opening else (),
        software=f"modelmark {importlib.metadata.version('modelmark')}",
    )  # fmt: skip
    return Judgement(envelope.sign(verdict, identity), record)


def _signatures(papers: Papers) -> tuple[bool, str]:
    """Verify every envelope again, whoever read it before."""
    whole = [papers.claim, papers.challenge, *papers.verdicts, *papers.revocations]
    whole += [paper for paper in (papers.deposit, papers.opening) if paper is not None]
    for paper in whole:
        again = envelope.parse(paper.data, type(paper.document))
        if (again.document, again.payload) != (paper.document, paper.payload):
            raise MalformedError(f"expected the {paper.document.kind} that was signed, got another")
    return True, f"all {len(whole)} documents are signed by everyone they name"


def _together(papers: Papers) -> tuple[bool, str]:
    asked = papers.challenge.document
    if asked.claim != papers.claim.digest or asked.deposit != (papers.deposit.digest if papers.deposit else ""):
        raise MismatchError("expected a challenge that names this claim and this deposit, got one that names others")
    if asked.bar < papers.claim.document.policy.bar:
        raise MismatchError(f"expected a bar of at least the claim's {papers.claim.document.policy.bar}, got {asked.bar}")
    if asked.draws and asked.suspect.kind == "transcript":
        raise MismatchError("expected a whole lot where answers were recorded before the nonce, got a part of it")
    return True, f"the challenge names them; {asked.test} test, bar {asked.bar} bits, lot {asked.lot} of key {asked.key}"


def _dated(papers: Papers, trust: Trust) -> tuple[Dated, str]:
    dated = deposit.check(papers.claim, papers.deposit, trust)
    if dated.date is None:
        return dated, "none: an offline claim has no date, and pays 80 bits for it"
    if written(dated.date) > papers.challenge.document.issued:
        raise MismatchError(f"expected a deposit before the challenge of {papers.challenge.document.issued}, got a later one")
    return dated, f"{len(dated.stamps)} tokens verify; the claim existed on {_date(dated)}"


def _said(text: str) -> tuple[bool, str]:
    return True, text


def _present(papers: Papers) -> tuple[bool, str]:
    if papers.opening is None:
        raise MismatchError(f"expected an opening before {papers.challenge.document.expires}, none came")
    return True, "there is one"


def _in_time(papers: Papers, received: str) -> tuple[bool, str]:
    asked = papers.challenge.document
    if instant(received) > instant(asked.expires):
        raise MismatchError(f"expected an opening before {asked.expires}, this one came at {received}")
    if instant(received) < instant(asked.issued):
        raise MismatchError(f"expected an opening after the challenge of {asked.issued}, this one came at {received}")
    return True, f"it came at {received}, before {asked.expires}"


def _opened(papers: Papers) -> tuple[Opened, str]:
    assert papers.opening is not None
    opened = opening.check(papers.claim, papers.challenge, papers.opening)
    return opened, f"{len(opened.leaves)} carriers are those of the claim, and those that were asked for"


def _carriers(opened: Opened | None, beside: bytes) -> tuple[dict[int, bytes], str]:
    assert opened is not None
    unpacked = opening.unpack(opened.leaves, beside)
    return {leaf.index: carrier for leaf, carrier in zip(opened.leaves, unpacked, strict=True)}, "the bytes fit the opening"


def _frozen(suspect: Suspect, asked: Challenge) -> tuple[bool, str]:
    if (suspect.kind, suspect.digest) != (asked.suspect.kind, asked.suspect.digest):
        raise MismatchError(f"expected the suspect that was frozen, {asked.suspect.digest[:16]}, got {suspect.digest[:16]}")
    return True, f"{suspect.kind} {suspect.digest[:16]}, frozen at {asked.issued}"


def _seen(asked: Challenge, trust: Trust, known: str) -> tuple[str | None, str]:
    seen = order.first_seen(asked.suspect, trust, known)
    return (seen, f"first known at {seen}") if seen else (None, "nothing shows it")


def _order(dated: Dated | None, seen: str | None) -> tuple[bool | None, str]:
    assert dated is not None
    found = order.order(dated.date, seen or "")
    if found == "suspect-first":
        raise MismatchError(f"expected a claim older than the suspect, the claim is of {_date(dated)}, the suspect of {seen}")
    if found == "unknown":
        return None, "a date is lacking: the verdict is about dependence, not about who was first"
    return True, f"the claim, of {_date(dated)}, is older"


def _class_map(opened: Opened | None, names: Sequence[str]) -> tuple[bool | None, str]:
    assert opened is not None
    if not names:
        return None, "the suspect's own class map is not known; its outputs are read in the claim's order"
    if hashing.digest("class-map", canonical.encode(list(names))).hex() != opened.entry.statement.interface.class_map:
        raise MismatchError("expected a suspect with the claim's class map, its own differs")
    return True, "the suspect's is the claim's"


def _answers(suspect: Suspect, opened: Opened | None, shown: Mapping[int, bytes] | None) -> tuple[Mapping[int, int], str]:
    assert opened is not None and shown is not None  # noqa: PT018
    how = carriers.reading(opened.entry.statement)
    lacking = [name for name in how.needs if name not in opened.revealed]
    if lacking:
        raise MismatchError(f"expected the {lacking[0]} to be revealed, without which the suspect cannot be read")
    found = suspect.answers(opened.entry.statement, shown, opened.revealed)
    return found, f"{len(found)} of {len(shown)} carriers were answered"


def _weigh(
    papers: Papers, dated: Dated | None, opened: Opened | None, answers: Mapping[int, int] | None
) -> tuple[Weighed, str]:
    assert dated is not None and opened is not None and answers is not None  # noqa: PT018
    asked, entry = papers.challenge.document, opened.entry
    message = dated.draw(asked.key).message(entry.statement.alphabet, entry.statement.trials)
    found = carriers.symbols(carriers.reading(entry.statement), opened.trials, answers)
    weighed = weighing.weigh(papers.claim.document, asked, entry, [int(message[i]) for i in opened.trials], found)
    return weighed, (
        f"{weighed.matches} of {weighed.trials} as drawn, chance 1 in {weighed.alphabet}: {weighed.gross / 1000:.1f} bits, "
        f"{weighed.net / 1000:.1f} after charges, {weighed.bar} needed"
    )


def _decide(weighed: Weighed | None) -> str:
    return "dependence-shown" if weighed and weighed.net >= 1000 * weighed.bar else "no-evidence"


def _record(
    suspect: Suspect, papers: Papers, shown: Mapping[int, bytes] | None, answers: Mapping[int, int] | None
) -> Transcript | None:
    if isinstance(suspect, Recorded):
        return suspect.record
    if shown is None or answers is None:
        return None
    asked = papers.challenge.document
    return transcript.of(Head(papers.claim.digest, asked.key, asked.lot), shown, answers)


def _date(dated: Dated | None) -> str:
    return written(dated.date) if dated and dated.date else ""


def _line(text: str) -> str:
    """Return text as a document may hold it."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return unicodedata.normalize("NFC", plain)[:1000]
