"""What was tried before: every challenge takes its lot and counts its suspect, from its issue on and whatever becomes of it.

A verdict is late. Between a challenge and its verdict the claimant sees nonce and suspect, computes what would come out, and
may keep silent; and of many challenges that wait, the fortunate one could be judged first. So what counts is the challenge.
Lots are compared as carriers under a root: another claim of the same key, or one that cuts it otherwise, has no fresh ones.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from modelmark.claim.dates import order
from modelmark.claim.papers import lots
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.shapes import instant
from modelmark.claim.papers.verdict import Burned, Revocation, Spent, Verdict
from modelmark.errors import MismatchError


@dataclass(frozen=True)
class Known:
    """All that the judge knows of a claim's keys, from judges whom he believes: anybody can sign a verdict.

    Args:
        verdicts: on this claim, and on others of the same keys.
        revocations: of the claim.
        challenges: his own earlier ones above all, judged or not.
        claims: others of the same keys, without which older verdicts and challenges about them name no carriers.
    """

    verdicts: Sequence[Signed[Verdict]] = ()
    revocations: Sequence[Signed[Revocation]] = ()
    challenges: Sequence[Signed[Challenge]] = ()
    claims: Sequence[Signed[Claim]] = ()


NOTHING = Known()


def without(known: Known, challenge: str) -> Known:
    """Return what is known but for one challenge, by its digest."""
    return replace(known, challenges=[one for one in known.challenges if one.digest != challenge])


@dataclass(frozen=True)
class _Tried:
    """A suspect that was tried before: under which claim, on which carriers, and what is said about it."""

    claim: str
    suspect: str
    lots: tuple[Burned, ...]
    word: str
    recipient: str = ""


def taken(claim: Signed[Claim], challenge: Challenge) -> tuple[Burned, ...]:
    """Return the carriers that a challenge takes, by root and range; none where it is about another claim or no lot of it."""
    lot = Spent(challenge.key, challenge.lot)
    return _lots(claim.document, [lot]) if challenge.claim == claim.digest else ()


def require_room(claim: Signed[Claim], challenge: Challenge, known: Known, *, own: str = "") -> str:
    """Return a word on earlier challenges and verdicts: they took other lots, and leave room for this suspect.

    Args:
        claim: the claim.
        challenge: names lot and suspect.
        known: what was tried before.
        own: digest of the challenge where it is judged. Then those challenges count that were issued when this one was, or
            before, so that two of one second exclude each other; while it is being issued, all that are at hand. A verdict
            whose challenge is not at hand counts always.

    The same suspect may be asked about again under the same claim for another message, the key's own or a recipient's: the claim
    shares out among all messages what may be found, and what an opening shows can no longer change what was frozen.

    Raises:
        MismatchError: the lot is spent or pending, or more suspects would be tried than the claim pays for.
    """
    roots = {entry.statement.root for entry in claim.document.keys}
    before = [
        one
        for one in _Docket(claim, challenge, known, own).tried()
        if one.claim == claim.digest or roots & {lot.root for lot in one.lots}
    ]
    for one in before:
        if (one.claim, one.suspect) == (
            claim.digest,
            challenge.suspect.digest,
        ) and one.recipient != challenge.recipient:
            continue  # another message, of those among which the claim shares out what may be found
        if any(lot.overlaps(other) for lot in taken(claim, challenge) for other in one.lots):
            raise MismatchError(
                f"expected an unspent lot, lot {challenge.lot} of key {challenge.key} {one.word}",
                hint="each challenge takes its lot, whatever becomes of it",
            )
    suspects, tried = claim.document.policy.suspects, {one.suspect for one in before} | {challenge.suspect.digest}
    if len(tried) > suspects:
        raise MismatchError(
            f"expected at most {suspects} suspects, as the claim says, this would be number {len(tried)}",
            hint="challenges that have no verdict yet count too",
        )
    return f"{len(before)} earlier challenges and verdicts, other lots" if before else "no earlier one is known"


def require_standing(claim: Signed[Claim], challenge: Challenge, known: Known) -> str:
    """Return a word on revocations, none of which touches this challenge: of the claim, and of the claimant's others.

    Another claim's ``key-leaked`` and ``lots-burned`` are about keys, and so about every claim of these keys.

    Raises:
        MismatchError: the claim, its key or the challenged lot was taken back.
    """
    word = order.require_standing(claim, challenge, known.revocations)
    claims = {one.digest: one.document for one in known.claims if one.document.signers == claim.document.signers}
    (wanted,) = taken(claim, challenge) or (None,)
    for one in (paper.document for paper in known.revocations):
        other = claims.get(one.claim)
        if other is None or one.claim == claim.digest or one.signers != other.signers or wanted is None:
            continue
        keys = {entry.statement.root for entry in other.keys} if one.reason == "key-leaked" else set()
        late = instant(one.effective) <= instant(challenge.issued)
        if late and (wanted.root in keys or any(lot.overlaps(wanted) for lot in _lots(other, one.lots))):
            raise MismatchError(
                f"expected a key that stands, it was taken back with another claim ({one.reason}) from {one.effective} on"
            )
    return word


class _Docket:
    """What is known, seen from one challenge."""

    def __init__(self, claim: Signed[Claim], challenge: Challenge, known: Known, own: str) -> None:
        self._signers, self._challenge, self._known, self._own = claim.document.signers, challenge, known, own
        self._claims = {paper.digest: paper for paper in (*known.claims, claim)}
        self._digest = claim.digest

    def tried(self) -> Iterator[_Tried]:
        """Yield every earlier challenge and every verdict that counts; one that has both comes twice."""
        issued = {one.digest: one.document.issued for one in self._known.challenges}
        verdicts = {one.document.challenge: one.document for one in self._known.verdicts}
        for paper in self._known.challenges:
            asked, found = paper.document, verdicts.get(paper.digest)
            if self._counts(paper.digest, asked.issued, asked.claim, found):
                claim = self._claims.get(asked.claim)
                took = taken(claim, asked) if claim else ()
                yield _Tried(asked.claim, asked.suspect.digest, took, _word(found), asked.recipient)
        for found in (one.document for one in self._known.verdicts):
            if self._counts(found.challenge, issued.get(found.challenge, ""), found.claim, found):
                yield _Tried(found.claim, found.suspect.digest, self._spent(found), _word(found), found.recipient)

    def _counts(self, challenge: str, issued: str, claim: str, verdict: Verdict | None) -> bool:
        if challenge == self._own or (verdict is not None and _void(verdict)):
            return False
        if self._own and issued and instant(issued) > instant(self._challenge.issued):
            return False
        answered = verdict is not None and bool(verdict.opening)
        return answered or claim == self._digest or self._ours(claim)

    def _ours(self, claim: str) -> bool:
        """Return whether the claimant made a claim: a stranger who copies its statements must not burn lots by silence."""
        found = self._claims.get(claim)
        return found is not None and found.document.signers == self._signers

    def _spent(self, verdict: Verdict) -> tuple[Burned, ...]:
        """Return what a verdict spent; one of version 1 names lots of its claim, and no carriers."""
        claim = self._claims.get(verdict.claim)
        return verdict.burned if verdict.burned or claim is None else _lots(claim.document, verdict.spent)


def _lots(claim: Claim, spent: Sequence[Spent]) -> tuple[Burned, ...]:
    found = []
    for one in spent:
        with contextlib.suppress(MismatchError):  # a lot that the claim does not have
            carriers = lots.span(entry := lots.require(claim, one.key, one.lot), one.lot)
            found.append(Burned(entry.statement.root, carriers.start, len(carriers)))
    return tuple(found)


def _void(verdict: Verdict) -> bool:
    """Return whether a verdict gave the lot back: nothing could be decided, and nothing was shown."""
    return verdict.decision == "not-decidable" and not verdict.spent


def _word(verdict: Verdict | None) -> str:
    if verdict is None:
        return "is asked for in a challenge that has no verdict yet"
    return "was opened before" if verdict.opening else "was asked for before, and no opening came"
