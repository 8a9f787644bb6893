"""Asking a suspect one symbol at a time: evidence that stays valid however often one looks and whenever one stops.

Under the null hypothesis each symbol matches with probability ``p``. A bettor who stakes everything on a match rate of
``q`` multiplies his wealth by ``q / p`` on a match and by ``(1 - q) / (1 - p)`` otherwise; the mean wealth ``E`` of several
such bettors is a martingale that starts at 1. So ``P(E ever reaches 2**b) <= 2**-b`` (Ville's inequality), and the largest
``log2 E`` seen so far is evidence in bits. It depends on the numbers of matches and trials alone, and is computed from
exact integers.

An exact test and this one are two tests: which of them counts is said before any answer is seen.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
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
        bits = max(self.bits, wealth_bits(matches, trials, self.chance))
        return replace(self, matches=matches, trials=trials, bits=bits)

    @property
    def stand(self) -> Stand:
        """Whether the target is reached, going on is futile, or more should be asked."""
        if self.bits >= self.target:
            return "reached"
        if self.trials >= FUTILE_AFTER and wealth_bits(self.matches, self.trials, self.chance) < FUTILE_BITS:
            return "futile"
        rest = self.most - self.trials
        if (
            self.most and wealth_bits(self.matches + rest, self.most, self.chance) < self.target
        ):  # were all of them hits
            return "futile"
        return "open"
