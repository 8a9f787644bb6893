"""From symbols or grades to bits: the test that the challenge named, less what the claim's freedom costs."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from modelmark.claim.papers import lots
from modelmark.claim.papers.claim import Claim, Entry
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.verdict import Charged, Graded, Weighed
from modelmark.errors import CapacityError, MismatchError
from modelmark.evidence import stats
from modelmark.evidence.evidence import charge_tries
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.evidence.sequential import Walk, wealth_bits

TESTS = charge_tries("tests that could be named after the answers", 2)


def charged(
    claim: Claim, readings: int = 1, *, late: bool = False, key: int = 0, recipient: str = "", listed: bool = False
) -> tuple[Charged, ...]:
    """Return a claim's charges in thousandths of a bit, rounded up; see ``lots.charges``.

    Args:
        claim: whose freedom is charged.
        readings: that were tried.
        late: whether the test was named after the answers were there, which costs one bit more.
        key: number of the key.
        recipient: whose copy is looked for; empty for the key's own message.
        listed: whether the name is on the claim's list.
    """
    freedom = lots.charges(claim, readings, key=key, recipient=recipient, listed=listed)
    charges = freedom + (TESTS if late else ())
    return tuple(Charged(charge.reason, math.ceil(1000 * charge.bits)) for charge in charges)


def weigh(
    claim: Claim,
    challenge: Challenge,
    entry: Entry,
    expected: Sequence[int],
    found: Sequence[int],
    *,
    readings: int = 1,
    late: bool = False,
    listed: bool = False,
    scores: Scores | None = None,
) -> Weighed:
    """Return the numbers of the test that the challenge named.

    Args:
        claim: whose freedom is charged.
        challenge: names test and bar.
        entry: of the challenged key.
        expected: the drawn symbol of every trial that was asked for.
        found: the suspect's symbols, in the same order; the e-process may end before all are answered.
        readings: that were tried, of which these are the best.
        late: whether the answers were there before the test was named, as in records that name none.
        listed: whether the recipient that the challenge names is on the claim's list.
        scores: grades of the same trials in the same order, by which the exact test weighs instead of by matches. The tail is
            counted: ``reading.answered`` gives no others.

    Raises:
        MismatchError: the exact test needs all answers, the e-process as many as decide it, and some are missing.
    """
    charges = charged(claim, readings, late=late, key=challenge.key, recipient=challenge.recipient, listed=listed)
    alphabet = entry.statement.alphabet
    chance, due = Fraction(1, alphabet), sum(charge.millibits for charge in charges)
    if challenge.test == "exact":
        if len(found) != len(expected):
            raise MismatchError(f"expected answers to all {len(expected)} trials for the exact test, got {len(found)}")
        trials, matches = len(expected), sum(a == b for a, b in zip(expected, found, strict=True))
        if scores is not None:
            score = scores.total(np.array(expected, np.int64))
            gross = math.floor(1000 * tail_bits(scores, score).bits)
            numbers = trials, matches, alphabet, gross, charges, max(gross - due, 0), challenge.bar
            return Graded(challenge.test, *numbers, score=score, highest=scores.most)
        bits = stats.tail_bits(matches, trials, chance)
    else:
        walk = Walk(chance, challenge.bar + due / 1000, most=len(expected))
        for a, b in zip(expected, found, strict=False):
            if walk.stand != "open":
                break
            walk = walk.after(a == b)
        if walk.stand == "open" and walk.trials < len(expected):
            raise MismatchError(
                f"expected answers until the e-process is decided, got {walk.trials} of {len(expected)}"
            )
        trials, matches, bits = walk.trials, walk.matches, walk.bits
    gross = math.floor(1000 * bits)
    return Weighed(challenge.test, trials, matches, alphabet, gross, charges, max(gross - due, 0), challenge.bar)


def require_reach(claim: Claim, challenge: Challenge, entry: Entry, readings: int = 1, *, late: bool = False) -> None:
    """Raise CapacityError unless the trials that a challenge asks for, all matched, reach its bar after all charges.

    Args:
        claim: whose freedom is charged.
        challenge: names trials, test and bar.
        entry: of the challenged key.
        readings: that the suspect will take.
        late: as for ``weigh``.
    """
    trials, chance = len(lots.drawn(challenge, entry)), Fraction(1, entry.statement.alphabet)
    most = stats.full_bits(trials, chance) if challenge.test == "exact" else wealth_bits(trials, trials, chance)
    may_be_listed = any(said.key == challenge.key and said.count for said in claim.recipients)
    charges = charged(
        claim, readings, late=late, key=challenge.key, recipient=challenge.recipient, listed=may_be_listed
    )
    due = sum(charge.millibits for charge in charges) / 1000
    if most < challenge.bar + due:
        raise CapacityError(
            f"expected trials enough for {challenge.bar} bits and {due:.1f} of charges, {trials} give at most {most:.1f}",
            hint="ask for the whole lot; an e-process needs a few trials more than an exact test",
        )
