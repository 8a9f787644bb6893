"""Exact binomial tails in bits, computed with integers: no float tail that underflows, no approximation to argue about.

Under the null hypothesis each of ``trials`` symbols matches with probability ``chance``, independently. The evidence of
``matches`` is ``-log2 P(at least that many)``.
"""

import bisect
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple


class Tail(NamedTuple):
    """Evidence in bits, and how it was computed."""

    bits: float
    method: Literal["binomial", "exact", "bound"]


NOTHING = Tail(0.0, "bound")
"""The evidence of no observation."""


def log2_integer(value: int) -> float:
    """Return log2 of a positive integer of any size, to double precision."""
    if value <= 0:
        raise ValueError(f"expected a positive integer, got {value}")
    shift = max(value.bit_length() - 64, 0)
    return math.log2(value >> shift) + shift


@lru_cache(maxsize=4096)
def tail_bits(matches: int, trials: int, chance: Fraction) -> float:
    """Return the evidence in bits, ``-log2 P(X >= matches)`` for X ~ Binomial(trials, chance).

    The sum is over exact integers; only the final logarithm is a float. It goes away from the mean and ends where what is
    left cannot change that float: some hundreds of terms of 16,384, with the result of the whole sum.

    Raises:
        ValueError: ``matches`` outside ``0 .. trials`` or ``chance`` outside the open unit interval.
    """
    if not 0 <= matches <= trials:
        raise ValueError(f"expected 0 <= matches <= {trials}, got {matches}")
    if not 0 < chance < 1:
        raise ValueError(f"expected 0 < chance < 1, got {chance}")
    if matches == 0:
        return 0.0
    hit, whole = chance.numerator, chance.denominator
    every = whole**trials
    if matches > trials * chance:
        ways = _ways(matches, trials, hit, whole - hit, 0)
    else:  # what falls short, by the misses
        ways = _ways(trials - matches + 1, trials, whole - hit, hit, every)
    return max(log2_integer(every) - log2_integer(ways), 0.0)


def _ways(fewest: int, trials: int, hit: int, miss: int, every: int) -> int:
    """Return ``sum_{k >= fewest} C(trials, k) hit^k miss^(trials - k)``, or ``every`` less that sum if ``every`` is given.

    The first 64 bits, to which ``log2_integer`` looks, and the length are right; terms decrease from ``fewest`` on.
    """
    term: int = math.comb(trials, fewest) * hit**fewest * miss ** (trials - fewest)
    total = 0
    for k in range(fewest, trials + 1):
        total += term
        over, under = (trials - k) * hit, (k + 1) * miss  # the next term is this one times over / under
        term = term * over // under
        if k % 16 == 0 and over < under:
            rest = term * under // (under - over) + 1  # a geometric series from the next term on
            least, most = (every - total - rest, every - total) if every else (total, total + rest)
            if least > 0 and _head(least) == _head(most):
                return least
    return every - total if every else total


def _head(value: int) -> tuple[int, int]:
    """Return length and first 64 bits of a positive integer."""
    length = value.bit_length()
    return length, value >> max(length - 64, 0)


def full_bits(trials: int, chance: Fraction) -> float:
    """Return the evidence in bits of ``trials`` matches in as many trials, at once, however many they are."""
    return trials * (math.log2(chance.denominator) - math.log2(chance.numerator))


def minimum_matches(bits: float, trials: int, chance: Fraction) -> int | None:
    """Return the fewest matches that give at least ``bits``, or None if even all of them do not."""
    if trials == 0 or tail_bits(trials, trials, chance) < bits:
        return None
    return bisect.bisect_left(range(trials + 1), bits, key=lambda matches: tail_bits(matches, trials, chance))


def minimum_trials(bits: float, chance: Fraction) -> int:
    """Return the fewest trials whose full match gives at least ``bits``: the smallest n with ``chance**n <= 2**-bits``."""
    trials = max(math.ceil(bits / full_bits(1, chance)), 1)
    while trials > 1 and full_bits(trials - 1, chance) >= bits:
        trials -= 1
    while full_bits(trials, chance) < bits:
        trials += 1
    return trials


def fisher_bits(bits: Sequence[float]) -> float:
    """Return the evidence in bits of independent tests together, by Fisher's method; never the sum.

    With S the sum over k tests, ``S - log2(sum_{i<k} (S ln 2)^i / i!)``: the tail of a chi-squared variable with 2k degrees
    of freedom. It stays valid for discrete tests and for bits that were charged before, which only make it smaller.

    Args:
        bits: ``-log2 p`` of each test, all at least 0.
    """
    if not bits or min(bits) < 0:
        raise ValueError(f"expected bits of at least one test, none below 0, got {list(bits)}")
    total = math.fsum(bits)
    term, series = 1.0, 1.0
    for i in range(1, len(bits)):
        term *= total * math.log(2) / i
        series += term
    return max(total - math.log2(series), 0.0)


def clopper_pearson(matches: int, trials: int, *, error_bits: float = 40) -> tuple[float, float]:
    """Return the exact two-sided confidence interval of the match rate; it misses with probability at most ``2**-error_bits``.

    Source: Clopper and Pearson, Biometrika 26 (1934), through the inverse regularised beta function.
    """
    from scipy.special import betaincinv  # 0.6 s to import; only reports need it

    if not 0 <= matches <= trials or trials == 0:
        raise ValueError(f"expected 0 <= matches <= trials and trials > 0, got {matches} of {trials}")
    half = 2.0 ** -(error_bits + 1)
    low = 0.0 if matches == 0 else float(betaincinv(matches, trials - matches + 1, half))
    # The upper limit from the mirrored lower one: 1 - 2**-41 is not a double to build on.
    high = 1.0 if matches == trials else 1.0 - float(betaincinv(trials - matches, matches + 1, half))
    return math.nextafter(low, 0.0), math.nextafter(high, 1.0)  # rounding may only widen it


def mismatch_threshold(trials: int, classes: int, level: Fraction) -> int:
    """Return theta of DeepSigns: a suspect is accepted with fewer than theta mismatches.

    The smallest i with ``P(N <= i) > level`` for N ~ Binomial(trials, 1 - 1 / classes), in exact arithmetic. It holds only
    for labels that were drawn independently of the suspect.

    Source: Rouhani et al. 2018, section on black-box detection; the rule of the authors' demo.
    """
    total, term = Fraction(0), Fraction(1, classes) ** trials
    for mismatches in range(trials + 1):
        total += term
        if total > level:
            return mismatches
        term = term * (trials - mismatches) * (classes - 1) / (mismatches + 1)
    return trials


def cut_and_choose_bits(pairs: int, opened: int, bad: int) -> float:
    """Return ``-log2`` of the chance that ``bad`` ill-formed pairs of ``pairs`` all escape when ``opened`` are drawn and shown.

    Source: Adi et al. 2018, cut-and-choose for public verification; ``C(pairs - bad, opened) / C(pairs, opened)``.
    """
    escaping = math.comb(pairs - bad, opened)
    if escaping == 0:
        return math.inf
    return log2_integer(math.comb(pairs, opened)) - log2_integer(escaping)
