"""The judge's single checks: each returns what it found with a word about it, or refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelmark import canonical, hashing
from modelmark.claim import carriers, deposit, envelope, opening, order, weighing
from modelmark.claim.carriers import Reading
from modelmark.claim.claim import Claim
from modelmark.claim.deposit import Dated, Trust
from modelmark.claim.dispute import Challenge, Deposit, Opening
from modelmark.claim.envelope import Signed
from modelmark.claim.opening import Opened
from modelmark.claim.shapes import instant, written
from modelmark.claim.statement import Statement
from modelmark.claim.transcript import Head, Transcript
from modelmark.claim.verdict import Revocation, Verdict, Weighed
from modelmark.errors import MalformedError, MismatchError


class Suspect(Protocol):
    """What is judged. ``modelmark.asking`` makes one of weights, ``Recorded`` one of a transcript."""

    @property
    def kind(self) -> str:
        """``weights`` or ``transcript``."""
        ...

    @property
    def digest(self) -> str:
        """What was frozen, hex."""
        ...

    def answers(
        self, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]
    ) -> Mapping[int, int]:
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
    def digest(self) -> str:
        """The transcript's."""
        return self.record.digest

    def answers(
        self, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]
    ) -> Mapping[int, int]:
        """Return what is recorded."""
        return self.record.answers(carriers.queries(statement, shown))


@dataclass(frozen=True)
class Papers:
    """What lies before the judge.

    Args:
        claim, deposit, challenge, opening: the deposit is None for an offline claim, the opening where none came.
        beside: the carriers that travelled beside the opening.
        verdicts: all that are known of the claim, of judges that this one believes.
        revocations: all that are known; those that the claimant did not sign count for nothing.
    """

    claim: Signed[Claim]
    deposit: Signed[Deposit] | None
    challenge: Signed[Challenge]
    opening: Signed[Opening] | None
    beside: bytes = b""
    verdicts: Sequence[Signed[Verdict]] = ()
    revocations: Sequence[Signed[Revocation]] = ()


def signatures(papers: Papers) -> tuple[bool, str]:
    """Verify every envelope again, whoever read it before."""
    whole: list[Signed[Any]] = [papers.claim, papers.challenge, *papers.verdicts, *papers.revocations]
    whole += [paper for paper in (papers.deposit, papers.opening) if paper is not None]
    for paper in whole:
        again = envelope.parse(paper.data, type(paper.document))
        if (again.document, again.payload) != (paper.document, paper.payload):
            raise MalformedError(f"expected the {paper.document.kind} that was signed, got another")
    return True, f"all {len(whole)} documents are signed by everyone they name"


def together(papers: Papers) -> tuple[bool, str]:
    """Check that the challenge names these papers and asks for no more than it may."""
    asked = papers.challenge.document
    if asked.claim != papers.claim.digest or asked.deposit != (papers.deposit.digest if papers.deposit else ""):
        raise MismatchError("expected a challenge that names this claim and this deposit, got one that names others")
    if asked.bar < papers.claim.document.policy.bar:
        raise MismatchError(
            f"expected a bar of at least the claim's {papers.claim.document.policy.bar}, got {asked.bar}"
        )
    if asked.draws and asked.suspect.kind == "transcript":
        raise MismatchError("expected a whole lot where answers were recorded before the nonce, got a part of it")
    return (
        True,
        f"the challenge names them; {asked.test} test, bar {asked.bar} bits, lot {asked.lot} of key {asked.key}",
    )


def dated(papers: Papers, trust: Trust) -> tuple[Dated, str]:
    """Verify the deposit's tokens."""
    dated = deposit.check(papers.claim, papers.deposit, trust)
    if dated.date is None:
        return dated, "none: an offline claim has no date, and pays 80 bits for it"
    return dated, f"valid timestamps: {len(dated.stamps)}; the claim existed on {date(dated)}"


def said(text: str) -> tuple[bool, str]:
    """Return what a check without a result says."""
    return True, text


def present(papers: Papers) -> tuple[bool, str]:
    """Check that an opening came."""
    if papers.opening is None:
        raise MismatchError(f"expected an opening before {papers.challenge.document.expires}, none came")
    return True, "there is one"


def in_time(papers: Papers, received: str) -> tuple[bool, str]:
    """Check that it came in time, by the judge's clock."""
    asked = papers.challenge.document
    if instant(received) > instant(asked.expires):
        raise MismatchError(f"expected an opening before {asked.expires}, this one came at {received}")
    if instant(received) < instant(asked.issued):
        raise MismatchError(f"expected an opening after the challenge of {asked.issued}, this one came at {received}")
    return True, f"it came at {received}, before {asked.expires}"


def opened(papers: Papers) -> tuple[Opened, str]:
    """Check that the opening shows what was asked for, out of what was committed to."""
    assert papers.opening is not None
    opened = opening.check(papers.claim, papers.challenge, papers.opening)
    return opened, f"{len(opened.leaves)} carriers are those of the claim, and those that were asked for"


def unpacked(opened: Opened | None, beside: bytes) -> tuple[dict[int, bytes], str]:
    """Return the opened carriers by number."""
    assert opened is not None
    unpacked = opening.unpack(opened.leaves, beside)
    return {
        leaf.index: carrier for leaf, carrier in zip(opened.leaves, unpacked, strict=True)
    }, "the bytes fit the opening"


def frozen(suspect: Suspect, papers: Papers) -> tuple[bool, str]:
    """Check that the suspect is the one that was frozen."""
    asked = papers.challenge.document
    if (suspect.kind, suspect.digest) != (asked.suspect.kind, asked.suspect.digest):
        raise MismatchError(
            f"expected the suspect that was frozen, {asked.suspect.digest[:16]}, got {suspect.digest[:16]}"
        )
    if isinstance(suspect, Recorded) and suspect.record.head != head(papers):
        raise MismatchError("expected a transcript about this claim, key and lot, got one about others")
    return True, f"{suspect.kind} {suspect.digest[:16]}, frozen at {asked.issued}"


def seen(asked: Challenge, trust: Trust, known: str) -> tuple[str | None, str]:
    """Return when the suspect is first known: at the freeze at the latest."""
    if known and instant(known) > instant(asked.issued):
        raise MismatchError(f"expected a suspect known before it was frozen at {asked.issued}, got {known}")
    seen = order.first_seen(asked.suspect, trust, known)
    return (seen, f"first known at {seen}") if seen else (None, "nothing shows it")


def in_order(dated: Dated | None, seen: str | None) -> tuple[bool | None, str]:
    """Check that the claim is older than the suspect, where both dates are known."""
    assert dated is not None
    found = order.order(dated.date, seen or "")
    if found == "suspect-first":
        raise MismatchError(
            f"expected a claim older than the suspect, the claim is of {date(dated)}, the suspect of {seen}"
        )
    if found == "unknown":
        return None, "a date is lacking: the verdict is about dependence, not about who was first"
    return True, f"the claim, of {date(dated)}, is older"


def class_map(opened: Opened | None, names: Sequence[str]) -> tuple[bool | None, str]:
    """Check the suspect's class map, where it is known."""
    assert opened is not None
    if not names:
        return None, "the suspect's own class map is not known; its outputs are read in the claim's order"
    if hashing.digest("class-map", canonical.encode(list(names))).hex() != opened.entry.statement.interface.class_map:
        raise MismatchError("expected a suspect with the claim's class map, its own differs")
    return True, "the suspect's is the claim's"


def readable(opened: Opened | None, asked: Challenge) -> tuple[Reading, str]:
    """Check that a suspect can be read from an opening of this scheme, and from what was revealed."""
    assert opened is not None
    recorded = asked.suspect.kind == "transcript"
    how = (carriers.require_asked if recorded else carriers.reading)(opened.entry.statement)
    lacking = [name for name in how.needs if name not in opened.revealed]
    if lacking:
        raise MismatchError(f"expected the {lacking[0]} to be revealed, without which the suspect cannot be read")
    word = "its weights" if "layer" in how.needs else "asking"
    return how, f"{opened.entry.statement.scheme}, read by {word}: {opened.entry.statement.reading}"


def formed(opened: Opened | None, shown: Mapping[int, bytes] | None) -> tuple[dict[int, bytes], str]:
    """Return the queries that the carriers make, checking that their bytes are what the scheme's carriers are."""
    assert opened is not None and shown is not None  # noqa: PT018
    asked = carriers.queries(opened.entry.statement, shown)
    return asked, f"{len(shown)} carriers of the scheme's form, {len(asked)} queries"


def answered(
    suspect: Suspect, opened: Opened | None, shown: Mapping[int, bytes] | None
) -> tuple[Mapping[int, int], str]:
    """Ask the suspect, or read it: the one step that may need torch."""
    assert opened is not None and shown is not None  # noqa: PT018
    found = suspect.answers(opened.entry.statement, shown, opened.revealed)
    return found, f"{len(found)} queries were answered"


def weigh(
    papers: Papers, dated: Dated | None, opened: Opened | None, answers: Mapping[int, int] | None
) -> tuple[Weighed, str]:
    """Compare with the drawn message and subtract charges."""
    assert dated is not None and opened is not None and answers is not None  # noqa: PT018
    asked, entry = papers.challenge.document, opened.entry
    message = dated.draw(asked.key).message(entry.statement.alphabet, entry.statement.trials)
    found = carriers.symbols(carriers.reading(entry.statement), opened.trials, answers)
    weighed = weighing.weigh(papers.claim.document, asked, entry, [int(message[i]) for i in opened.trials], found)
    return weighed, (
        f"{weighed.matches} of {weighed.trials} as drawn, chance 1 in {weighed.alphabet}: {weighed.gross / 1000:.1f} bits, "
        f"{weighed.net / 1000:.1f} after charges, {weighed.bar} needed"
    )


def head(papers: Papers) -> Head:
    """Return what a record in this dispute is about."""
    return Head(papers.claim.digest, papers.challenge.document.key, papers.challenge.document.lot)


def date(dated: Dated | None) -> str:
    """Return a claim's date as documents write it, or nothing."""
    return written(dated.date) if dated and dated.date else ""
