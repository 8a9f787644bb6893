"""Asking a suspect one symbol at a time: evidence that stays valid however often one looks and whenever one stops.

Under the null hypothesis each symbol matches with probability ``p``. A bettor who stakes everything on a match rate of
``q`` multiplies his wealth by ``q / p`` on a match and by ``(1 - q) / (1 - p)`` otherwise; the mean wealth ``E`` of several
such bettors is a martingale that starts at 1. So ``P(E ever reaches 2**b) <= 2**-b`` (Ville's inequality), and the largest
``log2 E`` seen so far is evidence in bits. It depends on the numbers of matches and trials alone, and is computed from
exact integers.

An exact test and this one are two tests: which of them counts is said before any answer is seen.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from modelmark.evidence.stats import log2_integer

RATES = (200, 300, 500, 700, 850, 900, 950, 980, 999)
"""Match rates that are bet on, in thousandths, with equal stakes; those not above chance are left out."""
FUTILE_BITS = -10.0
"""``log2 E`` below which, after ``FUTILE_AFTER`` symbols, more queries are not worth their price. Stopping is always valid."""
FUTILE_AFTER = 60

Stand = Literal["reached", "futile", "open"]


def wealth_bits(matches: int, trials: int, chance: Fraction) -> float:
    """Return ``log2 E`` after ``matches`` of ``trials``; negative where the bettors have lost.

    Raises:
        ValueError: ``matches`` outside ``0 .. trials``, or a chance that no rate is above.
    """
    if not 0 <= matches <= trials:
        raise ValueError(f"expected 0 <= matches <= {trials}, got {matches}")
    hit, whole = chance.numerator, chance.denominator
    rates = [rate for rate in RATES if rate * whole > 1000 * hit]
    if not chance > 0 or not rates:
        raise ValueError(f"expected a chance above 0 and below {RATES[-1]}/1000, got {chance}")
    missed = trials - matches
    won = sum(rate**matches * (1000 - rate) ** missed for rate in rates)
    return log2_integer(won * whole**trials) - log2_integer(
        1000**trials * hit**matches * (whole - hit) ** missed * len(rates)
    )


@lru_cache(maxsize=64)
def _stakes(chance: Fraction) -> tuple[tuple[float, float], ...]:
    """Return for each bettor the bits that a match and a miss bring."""
    hit = float(chance)
    rates = [rate / 1000 for rate in RATES if rate > 1000 * chance]
    return tuple((math.log2(rate / hit), math.log2((1 - rate) / (1 - hit))) for rate in rates)


def _below(matches: int, trials: int, chance: Fraction, bits: float) -> bool:
    """Return whether ``wealth_bits`` is below ``bits``: in floats where these are far apart, else by the exact integers.

    Exact numbers have some bits for every trial, and a walk looks three times a step.
    """
    won = [matches * match + (trials - matches) * miss for match, miss in _stakes(chance)]
    most = max(won)
    about = most + math.log2(sum([2.0 ** (one - most) for one in won])) - math.log2(len(won))
    if abs(about - bits) > 1e-6:
        return about < bits
    return wealth_bits(matches, trials, chance) < bits


@dataclass(frozen=True)
class Walk:
    """Answers counted so far, in the order in which they were asked for.

    Args:
        chance: of one match under the null hypothesis.
        target: bits at which to stop for the claim, charges included.
        matches: symbols read as expected.
        trials: symbols asked.
        most: symbols there are; 0: no end is known. A walk that cannot reach the target any more is futile.
        bits: the largest ``log2 E`` so far: what the evidence is worth, whenever the walk stops.
    """

    chance: Fraction
    target: float
    matches: int = 0
    trials: int = 0
    most: int = 0
    bits: float = 0.0

    def after(self, matched: bool) -> "Walk":
        """Return the walk after one more answer."""
        matches, trials = self.matches + matched, self.trials + 1
        lower = _below(matches, trials, self.chance, self.bits)
        bits = self.bits if lower else max(self.bits, wealth_bits(matches, trials, self.chance))
        return replace(self, matches=matches, trials=trials, bits=bits)

    @property
    def stand(self) -> Stand:
        """Whether the target is reached, going on is futile, or more should be asked."""
        if self.bits >= self.target:
            return "reached"
        if self.trials >= FUTILE_AFTER and _below(self.matches, self.trials, self.chance, FUTILE_BITS):
            return "futile"
        rest = self.most - self.trials
        if self.most and _below(self.matches + rest, self.most, self.chance, self.target):  # were all of them hits
            return "futile"
        return "open"
