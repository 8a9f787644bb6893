"""A verdict computed again, by whoever has its papers: check by check, what the judge signed beside what comes out here.

Nothing is signed and no key is needed. What a reader cannot see is taken on the judge's word and said to be: when the opening
came, and when the suspect was first known. Of the suspect itself the record of its answers will do, which the verdict names.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from modelmark.carriers.base import Carriers, every, shared
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging.judge import Host, Papers, Recorded, Suspect, examine
from modelmark.claim.judging.reading import Answered
from modelmark.claim.judging.rules import Read, best_of
from modelmark.claim.judging.telling import STATES
from modelmark.claim.judging.weighing import TESTS
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.transcript import Transcript
from modelmark.claim.papers.verdict import SENTENCES, Check, Verdict, Weighed
from modelmark.errors import MalformedError, MismatchError, ModelmarkError, SuspectError
from modelmark.suspects import base
from modelmark.suspects.base import MISSING

NOTHING = "Nothing could be computed again here: what follows is the word of whoever signed the verdict, and no more."
SAME, OTHER, LEFT_OUT = "comes out the same", "comes out otherwise", "could not be made again"
ASKED = ("suspect", "class map", "answers", "test")
"""Checks that need the suspect, or what it answered."""
KNOWN_ELSEWHERE = ("revocation", "lot")
"""Checks that rest on papers which the judge knew, and a reader may not have."""
_CAME = re.compile(r"came at (\S+Z)\b")
_READINGS = re.compile(r"([1-9][0-9]{0,5}) readings tried")
_COMPARED = {
    "signers": "who judged", "decision": "the decision", "weighed": "the numbers of the test",
    "transcript": "the record of answers", "claim_date": "the date of the claim", "suspect_date": "the date of the suspect",
    "order": "the order of the two in time", "burned": "what is used up", "recipient": "whose copy it is about",
}  # fmt: skip
_UNSEEN = ("decision", "weighed", "transcript", "suspect_date", "order")
"""What follows from a suspect that is not at hand."""


@dataclass(frozen=True)
class Repeated:
    """One check, made again.

    Args:
        name: of the check.
        came: ``SAME``, ``OTHER`` or ``LEFT_OUT``.
        here: what it comes to here, a word of ``telling.STATES``; empty where it was left out.
        detail: why, in one line.
    """

    name: str
    came: str
    here: str
    detail: str


@dataclass(frozen=True)
class Again:
    """What comes out of a verdict's papers.

    Args:
        summary: in one sentence.
        checks: in the verdict's order; none where nothing could be computed.
        differing: what else of the verdict comes out otherwise, in words.
        on_trust: what was taken on the judge's word.
        lacking: what is not at hand, in words.
        stopped: why nothing could be computed although all is at hand, as it was refused.
    """

    summary: str
    checks: tuple[Repeated, ...] = ()
    differing: tuple[str, ...] = ()
    on_trust: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    stopped: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing that was computed comes out otherwise."""
        return not self.differing and all(one.came != OTHER for one in self.checks)


class _Absent:
    """A suspect that is not at hand: it is called what the challenge calls it, and answers nothing."""

    answers: ClassVar[frozenset[type[base.Probe]]] = frozenset()
    queries = 0

    def __init__(self, kind: str, digest: str) -> None:
        self.kind, self.digest = kind, digest

    def told(self, revealed: object) -> "_Absent":
        return self

    def observe(self, probe: base.Probe) -> Sequence[base.Array]:
        raise SuspectError("expected the suspect, it is not at hand")


def lacking(signed: Signed[Verdict], papers: Sequence[Signed[Any]]) -> tuple[str, ...]:
    """Return which of the papers that a verdict names are not among these, in words."""
    verdict, here = signed.document, {paper.digest for paper in papers}
    named = {
        "the claim": verdict.claim, "the deposit": verdict.deposit, "the challenge": verdict.challenge,
        "the opening": verdict.opening,
    }  # fmt: skip
    return tuple(
        f"{name}, whose fingerprint begins with {digest[:16]}"
        for name, digest in named.items()
        if digest and digest not in here
    )


def again(
    signed: Signed[Verdict],
    papers: Papers,
    trust: Trust,
    *,
    suspect: Suspect | None = None,
    record: Transcript | None = None,
    host: Host | None = None,
) -> Again:
    """Return what comes out of a verdict's papers, check by check.

    Args:
        signed: the verdict; its signatures were verified.
        papers: that it names; see ``lacking``.
        trust: whom the reader believes.
        suspect: the weights, where they are at hand.
        record: of the suspect's answers, where it is at hand.
        host: that the claimant handed over.

    Raises:
        MismatchError: the suspect is not what was judged, or the record is another than the verdict names.
    """
    verdict, asked = signed.document, papers.challenge.document
    if suspect is not None and (suspect.kind, suspect.digest) != (verdict.suspect.kind, verdict.suspect.digest):
        raise MismatchError(
            f"expected the suspect that was judged, {verdict.suspect.digest[:16]}, got {suspect.digest[:16]}"
        )
    if record is not None and record.digest not in (verdict.transcript, verdict.suspect.digest):
        raise MismatchError(f"expected the record {verdict.transcript[:16]} that the verdict names, got another")
    replay = None
    if record is not None and verdict.suspect.kind == "transcript":
        suspect = Recorded(record)
    elif record is not None and suspect is None:
        replay = _Replayed(record, _readings(verdict))
    here = suspect or _Absent(asked.suspect.kind, asked.suspect.digest)
    came, seen = _came(verdict), "" if verdict.suspect.tokens else verdict.suspect_date
    try:
        found, _ = examine(
            papers, here, trust, now=verdict.issued, received=came, first_seen=seen, host=host, replay=replay
        )
    except ModelmarkError as error:
        if unpinned := _unpinned(papers, trust):
            return Again(NOTHING, lacking=unpinned)
        return Again(NOTHING, stopped=f"{error}. {error.hint}" if error.hint else str(error))
    left = () if suspect else (("suspect",) if replay else ASKED)
    found = _as_of_version_1(verdict, found)
    stopped = _failed(verdict, left)  # nobody here can say so of it, nor what would have come after
    left = (*left, *(check.name for check in verdict.checks[stopped:]))
    rows = tuple(_repeated(check, found.checks, left, replayed=replay is not None) for check in verdict.checks)
    unknown = _UNSEEN if stopped < len(verdict.checks) or not (suspect or replay or _decided_before(verdict)) else ()
    differing = tuple(
        words
        for name, words in _COMPARED.items()
        if name not in unknown and getattr(found, name) != getattr(verdict, name)
    )
    trusted = [f"that the answer to the challenge came at {came}"] if came else []
    trusted += [f"that the suspect is first known at {seen}"] if seen else []
    trusted += ["in how many ways the suspect was read"] if replay else []
    absent = () if suspect or replay else ("the suspect, or the record of its answers",)
    return Again(_summary(rows, differing), rows, differing, tuple(trusted), absent)


def _unpinned(papers: Papers, trust: Trust) -> tuple[str, ...]:
    """Return which certificates a reader has to pin before the papers' dates can be checked, in words."""
    pinned = {one.fingerprint for one in trust.authorities}
    dates = [(named, "dates the claim") for named in papers.claim.document.draw.authorities]
    nonces = [(one.authority, "gave the judge's nonce") for one in papers.challenge.document.source if one.token]
    return tuple(
        f"the root certificate of the timestamp authority {named[:16]}, which {what}; pin it if you trust it"
        for named, what in (*dates, *nonces)
        if named not in pinned
    )


class _Replayed:
    """The answers in a record that the judge kept of weights."""

    def __init__(self, record: Transcript, readings: int) -> None:
        self._given = {one.carrier: one for one in record.asked}
        self._readings = readings

    def __call__(self, made: Carriers, trials: Sequence[int], expected: Sequence[int]) -> Answered:
        queries = made.queries()
        answers = np.full(len(queries), MISSING, np.int64)
        for place, (number, query) in enumerate(queries.items()):
            if (one := self._given.get(number)) is None:
                continue
            if one.query != hashlib.sha256(query).hexdigest():
                raise MalformedError(f"expected the record of query {number}, got that of another")
            answers[place] = one.answer
        by_rule = every(made, [answers]) if shared(made) else [answers]  # others are read by what no record holds
        best = best_of([Read.of(made, trials, "", answers, each) for each in by_rule], expected)
        return Answered(queries, answers, best.symbols, self._readings, scores=best.scores)


def _came(verdict: Verdict) -> str:
    """Return when the opening came, by the judge's own words; empty where he says nothing of it."""
    found = next((_CAME.search(check.detail) for check in verdict.checks if check.name == "expiry"), None)
    return found[1] if found else ""


def _readings(verdict: Verdict) -> int:
    """Return in how many ways the suspect was read, as far as that was charged."""
    charges = [charge.reason for weighed in verdict.weighed for charge in weighed.charges]
    return next((int(found[1]) for reason in charges if (found := _READINGS.match(reason))), 1)


def _as_of_version_1(verdict: Verdict, found: Verdict) -> Verdict:
    """Return what is found as a judge wrote it who named no carriers, and charged nothing for a test named after the answers."""
    if verdict.burned or not verdict.spent:
        return found
    weighed = tuple(_charged_for_less(one) for one in found.weighed)
    shown = any(one.net >= 1000 * one.bar for one in weighed) and found.decision == "no-evidence"
    decision = "dependence-shown" if shown else found.decision
    return replace(found, burned=(), weighed=weighed, decision=decision, sentence=SENTENCES[decision])


def _charged_for_less(weighed: Weighed) -> Weighed:
    charges = tuple(one for one in weighed.charges if one.reason not in {late.reason for late in TESTS})
    net = max(weighed.gross - sum(one.millibits for one in charges), 0)
    return replace(weighed, charges=charges, net=net)


def _decided_before(verdict: Verdict) -> bool:
    """Return whether a check failed that does not need the suspect."""
    return any(check.outcome == "fail" and check.name not in ASKED for check in verdict.checks)


def _failed(verdict: Verdict, left: Sequence[str]) -> int:
    """Return the place of the check that failed for the judge, if it is one that is left out; else how many there are."""
    failed = (place for place, one in enumerate(verdict.checks) if one.outcome == "fail" and one.name in left)
    return next(failed, len(verdict.checks))


def _repeated(check: Check, made: Sequence[Check], left: Sequence[str], *, replayed: bool) -> Repeated:
    found = next((one for one in made if one.name == check.name), None)
    if found is None:
        return Repeated(check.name, LEFT_OUT, "", "this version of modelmark does not know the check")
    if check.name in left and {check.outcome, found.outcome} != {"skipped"}:
        reason = "the suspect itself is not at hand" + (", only the record of its answers" if replayed else "")
        return Repeated(check.name, LEFT_OUT, "", reason)
    if check.name == "scheme" and (check.outcome, found.outcome) == ("pass", "fail"):
        return Repeated(check.name, LEFT_OUT, "", found.detail)
    if check.outcome == found.outcome:
        return Repeated(check.name, SAME, STATES[found.outcome], found.detail)
    note = "; the judge may have known papers that are not at hand" if check.name in KNOWN_ELSEWHERE else ""
    return Repeated(check.name, OTHER, STATES[found.outcome], found.detail + note)


def _summary(rows: Sequence[Repeated], differing: Sequence[str]) -> str:
    came = [one.came for one in rows]
    same, other, left = (came.count(word) for word in (SAME, OTHER, LEFT_OUT))
    if other or differing:
        names = [*(one.name for one in rows if one.came == OTHER), *differing]
        return f"Computed again here, this comes out otherwise than the judge signed it: {', '.join(names)}."
    if left:
        made = f"{same} of {len(rows)} checks were made again here and come out as the judge signed them"
        return f"{made}; {left} could not be made."
    return (
        f"All {len(rows)} checks were made again here and come out as the judge signed them, and so does the decision."
    )
