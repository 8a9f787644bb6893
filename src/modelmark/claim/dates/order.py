"""Order in time: when the suspect is first known, whether the claim is older, and what a revocation leaves of a claim."""

import datetime
from collections.abc import Sequence

from modelmark.claim.dates import timestamp
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.shapes import instant, written
from modelmark.claim.papers.verdict import Revocation
from modelmark.errors import MalformedError, MismatchError
from modelmark.naming import counted


def first_seen(suspect: Frozen, trust: Trust, known: str) -> str:
    """Return when the suspect is first known: by its tokens or by what the judge knows, whichever is earlier.

    Args:
        suspect: with its timestamp tokens, if it has any.
        trust: the pinned authorities; each token must be one's of them.
        known: a release or another public trace, as documents write a time; may be empty.

    Raises:
        MalformedError: a token is nobody's whom the judge trusts, or of something else.
    """
    moments = [instant(known)] if known else []
    moments += [stamp.time - stamp.accuracy for stamp in stamps(suspect, trust)]
    return written(min(moments)) if moments else ""


def stamps(suspect: Frozen, trust: Trust) -> list[timestamp.Stamp]:
    """Return what each of a suspect's tokens says.

    Raises:
        MalformedError: a token is nobody's whom the judge trusts, or of something else.
    """
    return [_stamp(token, bytes.fromhex(suspect.digest), trust) for token in suspect.tokens]


def order(claimed: datetime.datetime | None, suspect: str) -> str:
    """Return ``claim-first``, ``suspect-first`` or, where a date is lacking, ``unknown``; the same second is not earlier."""
    if claimed is None or not suspect:
        return "unknown"
    return "claim-first" if claimed < instant(suspect) else "suspect-first"


def require_standing(claim: Signed[Claim], challenge: Challenge, revocations: Sequence[Signed[Revocation]]) -> str:
    """Return a word on the revocations of a claim, none of which touches this challenge.

    ``superseded`` and ``mistake`` take the claim back whole; ``key-leaked`` and ``lots-burned`` from ``effective`` on: what was
    challenged before stays. A revocation that somebody else signed is none.

    Raises:
        MismatchError: the claim, or the challenged lot, was taken back.
    """
    signers = claim.document.signers
    own = [one.document for one in revocations if (one.document.claim, one.document.signers) == (claim.digest, signers)]
    for one in own:
        lot = (challenge.key, challenge.lot)
        late = instant(one.effective) <= instant(challenge.issued)
        if one.reason in ("superseded", "mistake"):
            raise MismatchError(f"expected a claim that stands, this one was taken back as {one.reason}")
        if late and (one.reason == "key-leaked" or lot in [(spent.key, spent.lot) for spent in one.lots]):
            raise MismatchError(
                f"expected a claim that stands, it was taken back ({one.reason}) from {one.effective} on"
            )
    return f"{counted(len(own), 'revocation')}, none of which touches this challenge" if own else "none is known"


def _stamp(token: bytes, message: bytes, trust: Trust) -> timestamp.Stamp:
    for authority in trust.authorities:
        try:
            return timestamp.verify(token, message, authority)
        except MalformedError:
            continue
    raise MalformedError("expected the suspect's token from a pinned authority, got another's or one of something else")
