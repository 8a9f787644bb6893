"""Evidence in bits is exact: against the papers' tables, a sum of fractions, scipy where it works, and dice."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmark.evidence import stats
from spending import at_most

HALF = Fraction(1, 2)


def exact_tail(matches: int, trials: int, chance: Fraction) -> Fraction:
    return sum(
        (math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(matches, trials + 1)),
        start=Fraction(0),
    )


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(10, [21, 28, 34, 46, 65]), (100, [6, 9, 13, 20, 33]), (1000, [3, 5, 7, 12, 20])],
)
def test_hits_needed_of_100_triggers_are_those_of_the_adi_table(classes: int, expected: list[int]) -> None:
    assert [stats.minimum_matches(bits, 100, Fraction(1, classes)) for bits in (10, 20, 32, 64, 128)] == expected


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (64, [13, 7, 0, None]),
        (128, [36, 29, 15, 0]),
        (256, [89, 78, 56, 29]),
        (512, [201, 185, 154, 112]),
        (1024, [435, 412, 367, 305]),
    ],
)
def test_wrong_bits_tolerated_are_those_of_the_uchida_table(trials: int, expected: list[int | None]) -> None:
    needed = [stats.minimum_matches(bits, trials, HALF) for bits in (20, 32, 64, 128)]
    assert [None if matches is None else trials - matches for matches in needed] == expected


@given(st.integers(1, 40), st.integers(1, 19), st.data())
def test_tail_is_the_sum_of_fractions(trials: int, numerator: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, trials))
    chance = Fraction(numerator, 20)
    assert stats.tail_bits(matches, trials, chance) == pytest.approx(
        -math.log2(exact_tail(matches, trials, chance)), abs=1e-10
    )


def test_tail_goes_on_where_the_float_tail_is_infinite() -> None:
    from scipy.stats import binom  # half a second, which who collects tests need not wait

    assert binom.logsf(3499, 4096, 0.5) == -math.inf
    assert stats.tail_bits(3500, 4096, HALF) == pytest.approx(496.749 * math.log2(10), rel=1e-6)


@pytest.mark.parametrize("chance", [HALF, Fraction(1, 10), Fraction(1, 1000)])
def test_the_largest_key_is_weighed_without_underflow_in_few_steps(chance: Fraction) -> None:
    stats.tail_bits.cache_clear()
    with at_most(50_000):
        bits = [stats.tail_bits(matches, 16384, chance) for matches in range(0, 16385, 512)]
    assert bits[0] == 0
    assert bits[-1] == pytest.approx(-16384 * math.log2(chance), rel=1e-12)
    assert all(fewer <= more < math.inf for fewer, more in itertools.pairwise(bits))


@pytest.mark.parametrize("chance", [HALF, Fraction(1, 10), Fraction(1, 1000), Fraction(19, 20), Fraction(3, 7)])
@pytest.mark.parametrize("trials", [1, 2, 17, 64, 500])
def test_a_sum_that_ends_early_is_the_whole_sum_to_the_last_digit(trials: int, chance: Fraction) -> None:
    """One pass over all terms, as they were summed for every count at once: quadratic in the trials."""
    hit, miss, every = chance.numerator, chance.denominator - chance.numerator, chance.denominator**trials
    terms = [math.comb(trials, k) * hit**k * miss ** (trials - k) for k in range(trials + 1)]
    for matches in range(trials + 1):
        whole = max(stats.log2_integer(every) - stats.log2_integer(sum(terms[matches:])), 0.0)
        assert stats.tail_bits(matches, trials, chance) == whole


def test_what_a_claim_can_reach_is_computed_without_a_tail() -> None:
    with at_most(200):
        assert stats.minimum_trials(2.0**17, HALF) == 2**17
        assert stats.full_bits(2**20, Fraction(1, 2**20)) == 20 * 2**20
    for alphabet in (2, 10, 1000):
        chance = Fraction(1, alphabet)
        assert stats.full_bits(300, chance) == pytest.approx(stats.tail_bits(300, 300, chance), rel=1e-14)


@given(st.integers(0, 60), st.integers(2, 1000), st.floats(0, 200))
def test_minimum_matches_is_the_first_that_reaches_the_bits(trials: int, alphabet: int, bits: float) -> None:
    chance = Fraction(1, alphabet)
    reaching = [m for m in range(trials + 1) if stats.tail_bits(m, trials, chance) >= bits] if trials else []
    assert stats.minimum_matches(bits, trials, chance) == (reaching[0] if reaching else None)


@given(st.integers(0, 300), st.integers(2, 1000))
def test_minimum_trials_is_the_fewest_whose_full_match_is_rare_enough(bits: int, alphabet: int) -> None:
    trials = stats.minimum_trials(bits, Fraction(1, alphabet))
    assert alphabet**trials >= 2**bits
    assert trials == 1 or alphabet ** (trials - 1) < 2**bits


@pytest.mark.parametrize(("matches", "low", "high"), [(0, 0, 0.3085), (5, 0.1871, 0.8129), (10, 0.6915, 1)])
def test_interval_of_ten_trials_at_95_percent_is_the_textbook_one(matches: int, low: float, high: float) -> None:
    assert stats.clopper_pearson(matches, 10, error_bits=-math.log2(0.05)) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("matches", "trials"), [(40, 100), (1, 100), (99, 100), (0, 100), (250, 256)])
def test_each_side_of_the_interval_misses_with_half_the_error_and_not_more(matches: int, trials: int) -> None:
    low, high = stats.clopper_pearson(matches, trials, error_bits=40)
    above = exact_tail(matches, trials, Fraction(low)) * 2**41 if matches else 1
    below = exact_tail(trials - matches, trials, 1 - Fraction(high)) * 2**41
    assert 0.9 < above <= 1 + 1e-9
    assert 0.9 < below <= 1 + 1e-9


@pytest.mark.parametrize(
    ("pairs", "opened", "bad", "bits"),
    [
        *((40, 20, 11, 13.7), (80, 40, 21, 26.2), (160, 80, 41, 51.1), (256, 128, 65, 81.0), (512, 256, 129, 160.7)),
        *((200, 100, 5, 5.1), (200, 100, 10, 10.3), (200, 100, 20, 21.5), (200, 100, 40, 47.1), (200, 160, 10, 24.7)),
        *((40, 20, 0, 0), (40, 20, 21, math.inf)),
    ],
)
def test_cut_and_choose_has_the_soundness_of_the_paper(pairs: int, opened: int, bad: int, bits: float) -> None:
    assert stats.cut_and_choose_bits(pairs, opened, bad) == pytest.approx(bits, abs=0.05)


def test_cut_and_choose_agrees_with_dice() -> None:
    runs = 20_000
    shown = np.random.default_rng(0).random((runs, 12)).argsort(axis=1)[:, :6]
    escaped = (shown >= 3).all(axis=1).mean()  # the bad pairs are numbers 0, 1 and 2
    expected = 2 ** -stats.cut_and_choose_bits(12, 6, 3)
    assert abs(escaped - expected) < 5 * math.sqrt(expected * (1 - expected) / runs)


@given(st.integers(1, 2**2000))
def test_log2_of_a_large_integer_is_exact_to_a_double(value: int) -> None:
    shift = max(value.bit_length() - 1000, 0)
    assert stats.log2_integer(value) == pytest.approx(math.log2(value >> shift) + shift, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (stats.tail_bits, (-1, 10, HALF)),
        (stats.tail_bits, (11, 10, HALF)),
        (stats.tail_bits, (5, 10, Fraction(0))),
        (stats.tail_bits, (5, 10, Fraction(1))),
        (stats.log2_integer, (0,)),
        (stats.clopper_pearson, (0, 0)),
        (stats.clopper_pearson, (11, 10)),
        (stats.cut_and_choose_bits, (10, 5, 11)),
    ],
)
def test_impossible_counts_are_refused(function, arguments) -> None:
    with pytest.raises(ValueError, match=r"expected|non-negative"):
        function(*arguments)
