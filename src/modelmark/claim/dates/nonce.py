"""Where a challenge's nonce comes from: the judge's own word, or something that he could not choose.

The nonce decides which part of a lot is asked for. A judge who makes it himself can make many and take the one that suits. One
that comes from an authority's token over all the terms costs a request for every try, and each leaves its trace there; one from
the first round of a beacon after the suspect's own timestamp leaves no choice.
"""

from dataclasses import replace

from modelmark import hashing
from modelmark.claim.dates import order, timestamp
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.papers.dispute import Challenge, Source
from modelmark.errors import MalformedError, MismatchError, UsageError


def terms(challenge: Challenge) -> bytes:
    """Return what a token is over: claim, suspect, key, lot, draws, test and bar of a challenge, whatever its nonce is."""
    numbers = (challenge.key, challenge.lot, challenge.draws, challenge.bar)
    names = (challenge.claim, challenge.suspect.digest)
    parts = (*map(bytes.fromhex, names), *(number.to_bytes(8, "big") for number in numbers), challenge.test.encode())
    return hashing.frame("challenge terms", *parts)


def drawn(challenge: Challenge, source: Source, trust: Trust) -> Challenge:
    """Return a challenge with the nonce that a source gives, and the source in it.

    Raises:
        MalformedError, MismatchError, UsageError: see ``check``.
    """
    return replace(challenge, nonce=_value(challenge, source, trust).hex(), source=(source,))


def check(challenge: Challenge, trust: Trust) -> tuple[bool | None, str]:
    """Return whether the nonce was out of the judge's hands, None where it was not, and a word on where it comes from.

    Raises:
        MalformedError: a token or a beacon's value does not hold, or gives another nonce.
        MismatchError: a beacon's round is another than the first after the suspect's timestamp, or there is none.
        UsageError: an authority or a beacon that is not trusted here.
    """
    if not challenge.source:
        if challenge.draws:
            return None, "the judge's own word: he could have tried several"
        return True, "decides nothing, as the whole lot is asked for"
    (source,) = challenge.source
    if _value(challenge, source, trust).hex() != challenge.nonce:
        raise MalformedError("expected the nonce that the challenge's source gives, got another")
    if source.token:
        return True, f"from a timestamp of authority {source.authority[:16]} over the terms"
    return True, f"from round {source.round} of beacon {source.beacon}, the first after the suspect's timestamp"


def _value(challenge: Challenge, source: Source, trust: Trust) -> bytes:
    if source.token:
        pinned = {one.fingerprint: one for one in trust.authorities}
        if source.authority not in pinned:
            raise UsageError(
                f"expected a pinned certificate for authority {source.authority[:16]}, which gave the nonce, got none",
                hint="--authority PEM, if you trust it",
            )
        stamp = timestamp.verify(source.token, terms(challenge), pinned[source.authority])
        return hashing.digest("nonce", terms(challenge), stamp.binding)
    return hashing.digest("nonce", terms(challenge), _round(challenge, source, trust))


def _round(challenge: Challenge, source: Source, trust: Trust) -> bytes:
    beacon = trust.beacon(source.beacon)
    value = beacon.verify(source.round, source.proof)
    seen = [stamp.latest for stamp in order.stamps(challenge.suspect, trust)]
    if not seen:
        raise MismatchError("expected a suspect with a timestamp, which says which round is the first, got one without")
    before, at = (beacon.published(number) for number in (source.round - 1, source.round))
    if not before <= max(seen) < at:
        raise MismatchError(f"expected the first round of {source.beacon} after {max(seen)}, got round {source.round}")
    return hashing.frame("round", source.beacon.encode(), source.round.to_bytes(8, "big"), value)
