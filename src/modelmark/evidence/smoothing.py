"""What noise on the weights of one network proves of all networks near it: randomized smoothing, of counts, exactly.

Let ``p(theta)`` be the chance that a network with the parameters ``theta``, after noise of deviation sigma on each of them, shows
at least so many matches. Whatever is counted, ``Phi^-1(p)`` changes by at most ``r / sigma`` within an l2 distance of r. So where
p is surely above 1/2, the median of matches under the noise stays that high within ``sigma * Phi^-1(p)``; p is known from draws
by the exact interval of Clopper and Pearson.

Sources: Cohen, Rosenfeld, Kolter, ICML 2019; Chiang, Curry, Abdelkader, Kumar, Dickerson, Goldstein, "Detection as regression:
certified object detection by median smoothing", NeurIPS 2020, arXiv 2007.03730; of watermarks Bansal et al., ICML 2022.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist, median_low
from typing import Any

from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR, Charge, shown

MEDIAN = 1.0
"""Bits that reading a median costs. Of a model that no message concerns, each draw of noise has so many matches with chance p
over all messages; so for at most 2 p of the messages half of the draws have (Markov)."""
SHARES = (
    Fraction(1),
    Fraction(19, 20),
    Fraction(9, 10),
    Fraction(4, 5),
    Fraction(7, 10),
    Fraction(3, 5),
    Fraction(1, 2),
)
"""Of all trials, for which it is said how far the median stays there; fixed before anything is drawn."""


def distance(below: int, draws: int, sigma: float, error: float) -> float:
    """Return within which l2 distance the median stays where it was not below in ``draws - below`` of ``draws``; 0 for none.

    Args:
        below: draws of noise that lay below.
        draws: all of them.
        sigma: deviation of the noise.
        error: how probable it may be that the noise drawn here made this too large.
    """
    if not 0 < error < 0.5:
        raise ValueError(f"expected an error between 0 and 0.5, got {error}")
    most = stats.clopper_pearson(below, draws, error_bits=-math.log2(2 * error))[1]
    if most >= 0.5:
        return 0.0
    return math.nextafter(-sigma * NormalDist().inv_cdf(most), 0.0) * (1 - 2.0**-40)  # rounding may only shorten it


@dataclass(frozen=True)
class Level:
    """How far a median stays at some matches.

    Args:
        matches: at least so many.
        distance: in the l2 distance of all parameters; 0: not even without any.
        net_bits: what so many are worth as a median, less all charges.
    """

    matches: int
    distance: float
    net_bits: float


@dataclass(frozen=True)
class Certificate:
    """What was read of a network under noise on its weights, and what follows for networks near it.

    Args:
        scheme: the name of the scheme.
        plain: matches without noise.
        found: matches under each draw of noise.
        trials: symbols drawn.
        chance: probability of one match for every model that does not depend on the draw of the message.
        charges: what is subtracted.
        sigma: deviation of the noise on each parameter.
        seed: of the noise.
        confidence: with which all levels together are right.
        parameters: how many numbers the noise was put on.
        norm: l2 norm of them.
        bar: net bits from which a mark is established.
        root: hex of the root that commits to the key's carriers.
        self_check: made with a key that is never evidence.
    """

    scheme: str
    plain: int
    found: Sequence[int]
    trials: int
    chance: Fraction
    charges: tuple[Charge, ...]
    sigma: float
    seed: int
    confidence: float
    parameters: int
    norm: float
    bar: float = BAR
    root: str = ""
    self_check: bool = False

    @property
    def needed(self) -> int | None:
        """Matches with which a median is established; None where all of them are too few."""
        paid = self.bar + MEDIAN + sum(charge.bits for charge in self.charges)
        return stats.minimum_matches(paid, self.trials, self.chance)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """What stays how far, from all matches down to what is needed; the error is shared equally among them."""
        shares = {math.ceil(self.trials * share) for share in SHARES}
        wanted = sorted(shares | ({self.needed} if self.needed else set()), reverse=True)
        error = (1 - self.confidence) / len(wanted)
        return tuple(self._level(matches, error) for matches in wanted)

    def _level(self, matches: int, error: float) -> Level:
        below = sum(one < matches for one in self.found)
        return Level(matches, distance(below, len(self.found), self.sigma, error), self.net_bits(matches))

    def net_bits(self, matches: int) -> float:
        """Return what a median of so many matches is worth, less all charges, at least 0."""
        gross = stats.tail_bits(matches, self.trials, self.chance)
        return max(gross - MEDIAN - sum(charge.bits for charge in self.charges), 0.0)

    @property
    def distance(self) -> float:
        """Within which l2 distance the mark stays established, read under the noise; 0 for none."""
        far = (level.distance for level in self.levels if level.matches == self.needed)
        return 0.0 if self.self_check else next(far, 0.0)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        ordered, of = sorted(self.found), f"/{self.trials}"
        yield f"{self.scheme}: {self.plain}{of} expected as it is; under noise {median_low(ordered)}{of} in the median"
        yield (
            f"noise: deviation {self.sigma:g} on each of {self.parameters:,} parameters, whose norm is {self.norm:.4g}; "
            f"{len(ordered):,} draws, seed {self.seed}: {ordered[0]} to {ordered[-1]}"
        )
        for level in self.levels:
            bits = f"{level.matches:>5}{of} or more, net {shown(level.net_bits)} bits"
            yield f"{bits}, within a distance of {_short(level.distance)}{self._barred(level)}"
        yield f"all of these together with a confidence of {100 * self.confidence:g} %"
        if self.self_check:
            yield "self-check key: never evidence"

    def _barred(self, level: Level) -> str:
        return f": established at a bar of {self.bar:g}" if level.matches == self.needed else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which every number can be computed again."""
        return {
            "type": "modelmark.certificate",
            "v": 1,
            "scheme": self.scheme,
            "matches": self.plain,
            "under_noise": list(self.found),
            "trials": self.trials,
            "chance": str(self.chance),
            "charges": [{"reason": charge.reason, "bits": charge.bits} for charge in self.charges],
            "sigma": self.sigma,
            "seed": self.seed,
            "confidence": self.confidence,
            "parameters": self.parameters,
            "norm": self.norm,
            "bar": self.bar,
            "needed": self.needed,
            "levels": [vars(level) for level in self.levels],
            "distance": self.distance,
            "root": self.root,
            "self_check": self.self_check,
        }


def _short(value: float) -> str:
    """Return a distance with four digits, rounded down: what is printed is never more than what was proved."""
    if not value:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{math.floor(value / unit) * unit:.4g}"
