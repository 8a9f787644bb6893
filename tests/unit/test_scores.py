"""Evidence of a table of scores: against every message there is, the binomial, dice, and sizes meant to hurt."""

import itertools
import math
import tracemalloc
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmark.evidence import scores, stats
from modelmark.evidence.scores import SCORE_MAX, Scores, tail_bits
from modelmark.evidence.tails import bound_bits, exact_bits


@st.composite
def tables(draw: st.DrawFn, trials: int = 4, alphabet: int = 4, most: int = 6) -> np.ndarray:
    shape = draw(st.integers(1, trials)), draw(st.integers(2, alphabet))
    entries = st.lists(st.integers(0, most), min_size=math.prod(shape), max_size=math.prod(shape))
    return np.array(draw(entries), np.int64).reshape(shape)


def chance(table: np.ndarray, total: int) -> Fraction:
    """The share of all messages whose sum is at least ``total``."""
    reached = sum(sum(picked) >= total for picked in itertools.product(*table.tolist()))
    return Fraction(reached, table.shape[1] ** len(table))


def true_bits(chance: Fraction) -> Decimal:
    """``-log2`` of a chance to 40 digits."""
    with localcontext(prec=40):
        return ((Decimal(chance.denominator) / chance.numerator).ln()) / Decimal(2).ln()


@given(tables())
def test_counting_is_what_enumerating_all_messages_says_and_never_more(table: np.ndarray) -> None:
    for total in range(Scores(table).most + 1):
        true = true_bits(chance(table, total))
        assert true - Decimal("1e-12") <= Decimal(exact_bits(table, total)) <= true


@pytest.mark.parametrize(("trials", "alphabet"), [(31, 3), (32, 2), (33, 4), (97, 2)])
def test_counting_many_rows_is_what_multiplying_their_polynomials_says(trials: int, alphabet: int) -> None:
    """Where coefficients get more room, too."""
    table = np.random.default_rng(trials).integers(0, 9, (trials, alphabet))
    ways = np.ones(1, object)
    for row in table.tolist():
        ways = np.convolve(ways, np.bincount(row).astype(object))
    for total in (0, 1, len(ways) // 3, len(ways) // 2, len(ways) - 1):
        true = true_bits(Fraction(int(sum(ways[total:])), alphabet**trials))
        assert true - Decimal("1e-11") <= Decimal(exact_bits(table, total)) <= true


@given(st.integers(0, 40), st.integers(2, 300), st.data())
def test_one_symbol_a_row_is_the_binomial_bit_for_bit(trials: int, alphabet: int, data: st.DataObject) -> None:
    symbols = np.array(data.draw(st.lists(st.integers(-1, alphabet), min_size=trials, max_size=trials)), np.int64)
    message = np.array(data.draw(st.lists(st.integers(0, alphabet - 1), min_size=trials, max_size=trials)), np.int64)
    read = Scores.one_hot(symbols, alphabet)
    assert read.is_counting
    assert read.total(message) == (symbols == message).sum()
    expected = stats.tail_bits(read.total(message), trials, Fraction(1, alphabet))
    assert tail_bits(read, read.total(message)) == (expected, "binomial")


@pytest.mark.parametrize(
    ("matches", "trials", "alphabet"), [(69, 100, 10), (200, 256, 2), (256, 256, 2), (3, 40, 1000)]
)
def test_counting_matches_agrees_with_the_binomial(matches: int, trials: int, alphabet: int) -> None:
    table = Scores.one_hot(np.zeros(trials, np.int64), alphabet).table
    bits = stats.tail_bits(matches, trials, Fraction(1, alphabet))
    assert exact_bits(table, matches) == pytest.approx(bits, rel=1e-12)
    assert tail_bits(Scores(table * 3), matches * 3) == (exact_bits(table, matches), "exact")
    assert bits - 10 < bound_bits(table, matches) < bits


def test_abstaining_is_weighed_as_a_trial_that_could_have_matched() -> None:
    read = Scores.one_hot(np.array([0, 1, -1, -1]), 2)
    assert (read.most, tail_bits(read, 2).bits) == (2, stats.tail_bits(2, 4, Fraction(1, 2)))
    assert tail_bits(read, 2).bits < exact_bits(read.table, 2) == pytest.approx(2)


@given(tables(trials=12, alphabet=5, most=40), st.data())
def test_the_bound_is_never_more_than_the_count_and_both_grow_with_the_total(
    table: np.ndarray, data: st.DataObject
) -> None:
    totals = sorted(data.draw(st.lists(st.integers(0, Scores(table).most), min_size=3, max_size=3)))
    counted, bounded = ([measure(table, total) for total in totals] for measure in (exact_bits, bound_bits))
    assert counted == sorted(counted)
    assert all(0 <= low <= high for low, high in zip(bounded, counted, strict=True))
    assert all(fewer <= more + 1e-9 for fewer, more in itertools.pairwise(bounded))


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(2, 6), st.data())
def test_the_bound_holds_for_the_largest_scores(trials: int, alphabet: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    steps = rng.integers(0, 32, (trials, alphabet))
    table = steps * (SCORE_MAX // 32)
    total = data.draw(st.integers(0, Scores(table).most))
    counted = exact_bits(steps, -(-total // (SCORE_MAX // 32)))
    assert bound_bits(table, total) <= counted
    assert bound_bits(table, Scores(table).most) == pytest.approx(exact_bits(steps, Scores(steps).most), abs=1e-6)


def test_the_bound_is_hoeffdings_closed_form_where_there_is_one() -> None:
    """For matches among n at chance p it is ``n * KL(m / n || p)``, Hoeffding's equation 2.1."""
    n, p = 100, 0.1
    for matches in (20, 50, 90):
        q = matches / n
        bits = n * (q * math.log2(q / p) + (1 - q) * math.log2((1 - q) / (1 - p)))
        table = Scores.one_hot(np.zeros(n, np.int64), 10).table
        assert bound_bits(table, matches) == pytest.approx(bits, abs=1e-6)


def test_tails_agree_with_dice() -> None:
    rng = np.random.default_rng(0)
    read = Scores(rng.integers(0, 32, (20, 10)))
    sums = read.table[np.arange(20), rng.integers(0, 10, (100_000, 20))].sum(axis=1)
    for total in np.quantile(sums, [0.1, 0.5, 0.9, 0.99, 0.999]).astype(int).tolist():
        bits, method = tail_bits(read, total)
        expected = 2**-bits
        assert method == "exact"
        assert abs((sums >= total).mean() - expected) < 5 * math.sqrt(expected * (1 - expected) / len(sums))


def test_thousands_of_bits_do_not_underflow() -> None:
    table = np.tile(np.array([0, 1, 2, 4]), (600, 1))
    assert tail_bits(Scores(table), 2400) == (pytest.approx(1200, abs=1e-9), "exact")
    assert bound_bits(table, 2400) == pytest.approx(1200, abs=1e-6)


def test_the_method_hangs_on_the_table_alone_and_the_work_is_bounded() -> None:
    rng = np.random.default_rng(1)
    counted = Scores(rng.integers(0, 32, (256, 10)))
    bounded = Scores(rng.integers(0, SCORE_MAX, (256, 10)))
    for total in (0, 1, 0.6, 0.9, 1.0):
        assert tail_bits(counted, int(total * counted.most)).method == "exact"
        assert tail_bits(bounded, int(total * bounded.most)).method == "bound"


@pytest.mark.parametrize("row", [[0, 1, SCORE_MAX], [0, SCORE_MAX - 1, SCORE_MAX]])
def test_a_small_table_with_huge_scores_takes_little_memory(row: list[int]) -> None:
    tracemalloc.start()
    bits, method = tail_bits(Scores(np.array([row, row])), 2 * SCORE_MAX)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert method == "bound"
    assert bits == pytest.approx(2 * math.log2(3), abs=1e-6)
    assert peak < 100e6


def test_rows_that_say_nothing_are_no_evidence() -> None:
    assert tail_bits(Scores(np.full((5, 3), 7)), 35) == (0, "exact")
    assert bound_bits(np.full((5, 3), 7), 35) == 0
    assert tail_bits(Scores(np.zeros((0, 3), np.int64)), 0) == (0, "binomial")


@pytest.mark.parametrize(
    "table",
    [
        np.zeros(4, np.int64),
        np.zeros((4, 1), np.int64),
        np.zeros((4, 4), np.int32),
        np.zeros((4, 4)),
        np.full((2, 2), -1),
        np.full((2, 2), SCORE_MAX + 1),
        np.broadcast_to(np.int64(0), (2**23, 4)),
    ],
    ids=lambda table: f"{table.dtype}{table.shape}{table.flat[0]}",
)
def test_what_is_no_table_of_scores_is_refused(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected (int64 )?scores"):
        Scores(table)


def test_too_large_an_alphabet_is_refused_before_the_table_is_made() -> None:
    with pytest.raises(ValueError, match="at most"):
        Scores.one_hot(np.zeros(2, np.int64), 2**40)


@pytest.mark.parametrize("message", [[0, 1], [0, 1, 3], [0, -1, 1], [[0], [1], [2]]])
def test_a_message_that_is_none_is_refused(message: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 3 symbols from 0 to 2"):
        Scores(np.eye(3, dtype=np.int64)).total(np.array(message))


@pytest.mark.parametrize("total", [-1, 4])
def test_a_sum_that_no_message_has_is_refused(total: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= total <= 3"):
        tail_bits(Scores(np.eye(3, dtype=np.int64)), total)


def test_the_largest_scores_do_not_overflow() -> None:
    read = Scores(np.full((2**12, 2**12), SCORE_MAX))
    assert read.most == read.total(np.zeros(2**12, np.int64)) == SCORE_MAX * 2**12
    assert not read.is_counting
    assert scores.ENTRIES_MAX * SCORE_MAX < 2**63
