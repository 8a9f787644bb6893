"""The e-process: a martingale by exact arithmetic, its level under peeking, and how many queries it takes."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

from modelmark.evidence import sequential
from modelmark.evidence.sequential import FUTILE_AFTER, RATES, Walk, wealth_bits

TENTH = Fraction(1, 10)


@pytest.mark.parametrize("chance", [TENTH, Fraction(1, 2), Fraction(1, 100)])
@pytest.mark.parametrize(("matches", "trials"), [(0, 0), (3, 5), (17, 40), (90, 100)])
def test_the_expected_wealth_after_one_more_answer_is_the_wealth_now(matches, trials, chance):
    now = 2 ** wealth_bits(matches, trials, chance)
    then = float(chance) * 2 ** wealth_bits(matches + 1, trials + 1, chance)
    then += float(1 - chance) * 2 ** wealth_bits(matches, trials + 1, chance)
    assert then == pytest.approx(now, rel=1e-9)


def test_all_matches_are_worth_nearly_what_the_best_bettor_makes():
    assert wealth_bits(100, 100, TENTH) == pytest.approx(100 * math.log2(9.99) - math.log2(len(RATES)), abs=0.3)
    assert wealth_bits(0, 0, TENTH) == 0


@functools.cache
def table(chance, longest):
    """log2 E by trials and matches, in floating point, for simulations."""
    trials, matches = np.meshgrid(np.arange(longest + 1), np.arange(longest + 1), indexing="ij")
    rates = np.array([rate / 1000 for rate in RATES if rate / 1000 > chance])[:, None, None]
    logs = matches * np.log2(rates / chance) + (trials - matches) * np.log2((1 - rates) / (1 - chance))
    return np.logaddexp2.reduce(logs, axis=0) - np.log2(len(rates))


def walks(rate, longest, count, seed, chance=0.1):
    """The running largest log2 E of simulated suspects, (count, longest)."""
    matches = (np.random.default_rng(seed).random((count, longest)) < rate).cumsum(axis=1)
    return np.maximum.accumulate(table(chance, longest)[np.arange(1, longest + 1), matches], axis=1)


def test_the_simulations_use_the_same_numbers():
    quick = table(0.1, 60)
    for matches, trials in ((0, 60), (6, 60), (30, 50), (60, 60)):
        assert quick[trials, matches] == pytest.approx(wealth_bits(matches, trials, TENTH), abs=1e-9)


def test_looking_after_every_one_of_400_answers_keeps_the_level():
    count, levels = 100_000, np.array([4, 7, 10])
    ends = (walks(0.1, 400, 20_000, seed)[:, -1:] for seed in range(count // 20_000))
    alarms = sum((end >= levels).sum(axis=0) for end in ends)
    assert (alarms / count <= 2.0**-levels).all(), alarms
    assert alarms[0] > 0  # the test can fail


@pytest.mark.parametrize(("rate", "bits", "median"), [(0.98, 40, 13), (0.9, 40, 17), (0.9, 80, 34), (0.5, 40, 60)])
def test_queries_until_the_bits_are_there(rate, bits, median):
    reached = walks(rate, 400, 4000, 1) >= bits
    needed = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, 401)
    assert np.median(needed) <= median


def test_a_walk_stops_for_against_or_not():
    walk = Walk(TENTH, 40.0)
    for _ in range(17):
        walk = walk.after(True)
    assert (walk.stand, walk.trials) == ("reached", 17)
    assert walk.after(False).bits == walk.bits  # what was reached stays reached
    unrelated = Walk(TENTH, 40.0)
    while unrelated.stand == "open":
        unrelated = unrelated.after(unrelated.trials % 25 == 0)
    assert unrelated.stand == "futile"
    assert unrelated.trials >= FUTILE_AFTER
    assert unrelated.bits >= 0


@pytest.mark.parametrize(("matches", "chance"), [(6, TENTH), (-1, TENTH), (1, Fraction(1)), (1, Fraction(0))])
def test_nonsense_is_refused(matches, chance):
    with pytest.raises(ValueError, match="expected"):
        wealth_bits(matches, 5, chance)


@pytest.mark.parametrize("chance", [Fraction(1, 2), TENTH, Fraction(1, 2**20)])
def test_what_is_decided_in_floats_is_what_the_integers_say(chance):
    """Near every bound, too; integers alone cost 33 ms a look at 16,384 symbols."""
    for trials in (1, 60, 300):
        for matches in range(0, trials + 1, max(trials // 30, 1)):
            exact = wealth_bits(matches, trials, chance)
            for bits in (exact, exact - 1e-9, exact + 1e-9, exact - 1e-5, exact + 1e-5, -10.0, 0.0, 64.0):
                assert sequential._below(matches, trials, chance, bits) == (exact < bits)
