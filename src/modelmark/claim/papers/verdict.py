"""How a dispute ends: the verdict; and how a claim ends: the revocation."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from modelmark.canonical import Json
from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records, signing
from modelmark.claim.papers.claim import MOST_LOTS
from modelmark.claim.papers.dispute import Frozen, Party
from modelmark.claim.papers.records import Digest, MaybeDigest, MaybeTime, Record, Since, Subject, Time
from modelmark.claim.papers.shapes import Choice, Hex, Integer, Listed, Text
from modelmark.key.draw import LONGEST_NAME

SENTENCES = {
    "dependence-shown": (
        "Shows that the suspect depends on data drawn for this claim; does not by itself show copying of a particular model."
    ),
    "no-evidence": "Shows no dependence on data drawn for this claim; does not show that there is none.",
    "invalid-claim": "The claim or its papers do not hold; says nothing about the suspect.",
    "not-decidable": "The papers hold but their order in time or the access given does not allow a decision.",
}
"""What each decision shows and does not show, in fixed words."""

SINCE = 4
"""Version of verdicts whose bits are those of grades, and not of matches."""
_BITS = Integer(0, 2**40)


@dataclass(frozen=True)
class Check:
    """One thing the judge checked.

    Args:
        name: what.
        outcome: ``pass``, ``fail`` or ``skipped``.
        detail: why, in one line.
    """

    name: Annotated[str, Text(100, least=1)]
    outcome: Annotated[str, Choice(("pass", "fail", "skipped"))]
    detail: Annotated[str, Text(1000)] = ""

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Charged:
    """Bits subtracted, in thousandths, rounded up."""

    reason: Annotated[str, Text(100, least=1)]
    millibits: Annotated[int, _BITS]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Weighed:
    """The test's numbers.

    Args:
        test: ``exact`` or ``e-process``.
        trials: symbols that were asked for.
        matches: answered as drawn.
        alphabet: chance of a match is one in this many.
        gross: thousandths of a bit, rounded down.
        charges: what is subtracted.
        net: gross less charges, at least 0.
        bar: bits.
    """

    test: Annotated[str, Choice(("exact", "e-process"))]
    trials: Annotated[int, Integer(0, MOST_CARRIERS)]
    matches: Annotated[int, Integer(0, MOST_CARRIERS)]
    alphabet: Annotated[int, Integer(2, 2**20)]
    gross: Annotated[int, _BITS]
    charges: Annotated[tuple[Charged, ...], Listed(Record(Charged), 0, 16)]
    net: Annotated[int, _BITS]
    bar: Annotated[int, Integer(1, 2**16)]

    def __post_init__(self) -> None:
        records.check(self)
        if self.matches > self.trials:
            raise ValueError(f"expected at most {self.trials} matches, got {self.matches}")
        if self.net != max(self.gross - sum(charge.millibits for charge in self.charges), 0):
            raise ValueError(f"expected net bits as gross less charges, got {self.net} of {self.gross}")


@dataclass(frozen=True)
class Graded(Weighed):
    """The numbers of a test in which a symbol that shows more clearly counts more; since version 4.

    Bits are of the sum: what share of all messages has one at least as large, counted in integers. No verdict has a bound on it,
    as floats make of one what they like on every machine. ``trials`` and ``matches`` are told too, and decide nothing.

    Args:
        score: sum of the grades of the symbols that were drawn.
        highest: the largest sum that any message has.
    """

    score: Annotated[int, Integer(0, 2**53)]
    highest: Annotated[int, Integer(0, 2**53)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.test != "exact":
            raise ValueError(f"expected the exact test of grades, got {self.test}")
        if self.score > self.highest:
            raise ValueError(f"expected a score of at most {self.highest}, got {self.score}")


@dataclass(frozen=True)
class Numbers:
    """What was weighed: matches, or in verdicts of version ``SINCE`` grades."""

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        Record(Weighed).check(value)

    def load(self, value: Json) -> Any:
        """Return the record."""
        graded = isinstance(value, dict) and "score" in value
        return Record(Graded if graded else Weighed).load(value)

    def dump(self, value: Any) -> Json:
        """Return the object."""
        return records.dump(value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return Record(Graded if version >= SINCE else Weighed).schema()


@dataclass(frozen=True)
class Spent:
    """A lot that a challenge has used up: its opening was seen, or none came."""

    key: Annotated[int, Integer(0, 63)]
    lot: Annotated[int, Integer(0, MOST_LOTS - 1)]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Burned:
    """The same by what it is made of: carriers ``first`` to ``first + count - 1`` under a root, whatever claim names them."""

    root: Digest
    first: Annotated[int, Integer(0, MOST_CARRIERS - 1)]
    count: Annotated[int, Integer(1, MOST_CARRIERS)]

    def __post_init__(self) -> None:
        records.check(self)

    def overlaps(self, other: "Burned") -> bool:
        """Return whether a carrier belongs to both."""
        apart = self.first + self.count <= other.first or other.first + other.count <= self.first
        return self.root == other.root and not apart


_Spent = Annotated[tuple[Spent, ...], Listed(Record(Spent), 0, 64 * MOST_LOTS)]


@dataclass(frozen=True)
class Verdict:
    """What the judge found, check by check.

    Args:
        signers: the judge's keys.
        issued: the judge's clock.
        claim, deposit, challenge, opening: digests; empty where there is none.
        suspect: what was judged.
        transcript: SHA-256 of the record of queries and answers, or empty.
        claim_date: when the claim is proven to have existed, or empty.
        suspect_date: when the suspect is first known, or empty.
        order: ``claim-first``, ``suspect-first`` or ``unknown``.
        checks: in the order they were made.
        weighed: at most one; none where nothing was tested. Grades in version 4, and in no other.
        decision: one of ``SENTENCES``.
        sentence: the words that belong to the decision.
        spent: lots that this dispute has used up.
        software: name and version.
        burned: the same lots as roots and carriers, since version 2.
        release: root digest of the release that the claim names, or empty; since version 2.
        recipient: whose copy the challenge names, or empty; since version 3.
    """

    signers: Party
    issued: Time
    claim: Digest
    deposit: MaybeDigest
    challenge: Digest
    opening: MaybeDigest
    suspect: Annotated[Frozen, Record(Frozen)]
    transcript: MaybeDigest
    claim_date: MaybeTime
    suspect_date: MaybeTime
    order: Annotated[str, Choice(("claim-first", "suspect-first", "unknown"))]
    checks: Annotated[tuple[Check, ...], Listed(Record(Check), 1, 100)]
    weighed: Annotated[tuple[Weighed, ...], Listed(Numbers(), 0, 1)]
    decision: Annotated[str, Choice(tuple(SENTENCES))]
    sentence: Annotated[str, Choice(tuple(SENTENCES.values()))]
    spent: _Spent
    software: Annotated[str, Text(100, least=1)]
    burned: Annotated[tuple[Burned, ...], Listed(Record(Burned), 0, 64 * MOST_LOTS), Since(2)] = ()
    release: Annotated[str, Hex(32, optional=True), Since(2)] = ""
    recipient: Annotated[str, Text(LONGEST_NAME), Since(3)] = ""

    kind: ClassVar[str] = "verdict"
    more_versions: ClassVar[tuple[int, ...]] = (SINCE,)

    @property
    def least(self) -> int:
        """The version of verdicts from which on what was weighed like this may be in one."""
        return SINCE if any(isinstance(weighed, Graded) for weighed in self.weighed) else 1

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)
        if self.sentence != SENTENCES[self.decision]:
            raise ValueError(f"expected the sentence of {self.decision!r}, got another")
        if self.decision == "dependence-shown":
            short = not self.weighed or self.weighed[0].net < 1000 * self.weighed[0].bar
            if short or any(check.outcome == "fail" for check in self.checks):
                raise ValueError("expected 'dependence-shown' only at the bar and with no failed check")

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The suspect, the claim, the challenge, and the claim's release if there is one."""
        named = (self.suspect.subject, ("claim", "sha256", self.claim), ("challenge", "sha256", self.challenge))
        return (*named, ("release", "sha256", self.release)) if self.release else named


@dataclass(frozen=True)
class Revocation:
    """The claimant takes a claim back, or says which lots are burned.

    Args:
        signers: the claimant's keys, those of the claim.
        issued: the claimant's clock.
        claim: digest of the claim.
        reason: after ``key-leaked`` the claim holds for suspects frozen before ``effective``.
        effective: from when on.
        successor: digest of the claim that takes its place, or empty.
        lots: burned lots; some exactly for ``lots-burned``.
    """

    signers: Party
    issued: Time
    claim: Digest
    reason: Annotated[str, Choice(("key-leaked", "superseded", "mistake", "lots-burned"))]
    effective: Time
    successor: MaybeDigest = ""
    lots: _Spent = ()

    kind: ClassVar[str] = "revocation"

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)
        if bool(self.lots) != (self.reason == "lots-burned"):
            raise ValueError(f"expected lots exactly for 'lots-burned', got {len(self.lots)} and {self.reason!r}")

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The claim."""
        return (("claim", "sha256", self.claim),)
