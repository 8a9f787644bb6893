"""Who is named: against every message there is, against the best bound, with colluders taken out, and by blocks."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from copies_cases import packed

from modelmark.copies import tallying
from modelmark.copies.tallying import graded, reached, signs, tally, without
from modelmark.evidence.tails import Bound, bound_bits


def test_bits_are_never_more_than_the_share_of_all_messages_says(rng):
    everyone = np.array(list(itertools.product((0, 1), repeat=12)))
    for _ in range(5):
        table = graded(rng.standard_normal(12))
        scores = (2 * everyone - 1) @ table
        bits = reached([table], packed(everyone))
        for score, found in zip(scores, bits, strict=True):
            chance = Fraction(int((scores >= score).sum()), len(scores))
            assert found <= -np.log2(float(chance)) + 1e-12
        assert np.argmax(bits) == np.argmax(scores)
        assert bits.max() > 11


@pytest.mark.parametrize("trials", [5, 144, 1024])
def test_the_bound_of_many_is_the_bound_of_each_but_for_a_hundredth(trials, rng):
    table = np.stack([np.maximum(sign * graded(rng.standard_normal(trials)), 0) for sign in (-1, 1)], axis=1)
    most = int(table.max(axis=1).sum())
    lacking = np.array([0, 1, most // 100, most // 10, most // 4, most // 2, most])
    found = Bound.of(table).bits(lacking.astype(float))
    for missing, bits in zip(lacking, found, strict=True):
        best = bound_bits(table, most - int(missing))
        assert 0.99 * best - 1e-6 <= bits <= best + 1e-6


def test_a_reading_without_a_number_says_nothing(rng):
    assert not graded(np.zeros(8)).any()
    assert reached([np.zeros(8, np.int64)], packed(rng.integers(0, 2, (3, 8)))).tolist() == [0, 0, 0]


def test_one_loud_bit_does_not_drown_the_others(rng):
    message = rng.integers(0, 2, (1, 512))
    sums = 2.0 * message[0] - 1
    sums[7] *= -1e6
    assert reached([graded(sums)], packed(message))[0] > 400
    loud = np.rint(sums / np.abs(sums).max() * 2**16).astype(np.int64)  # the same table without its clip
    assert reached([loud], packed(message))[0] < 1


def test_colluders_are_named_that_one_look_does_not_name(rng):
    """Ten of a thousand averaged: with one look two are named; those taken out, the rest follows."""
    messages = rng.integers(0, 2, (1000, 1024))
    sums = (2.0 * messages[:10] - 1).mean(axis=0)
    found = tally([sums], packed(messages), needed=80)
    once = reached([graded(sums)], packed(messages)) >= 80
    assert 0 < once[:10].sum() < 10
    assert np.flatnonzero(found.named).tolist() == list(range(10))
    assert 1 < found.looks <= tallying.LOOKS


def test_what_is_named_keeps_the_bits_it_was_named_with(rng):
    """Bits that grew by what followed from the naming itself would be no evidence of it."""
    messages = rng.integers(0, 2, (1000, 1024))
    sums = (2.0 * messages[:10] - 1).mean(axis=0)
    found = tally([sums], packed(messages), needed=80)
    first = reached([graded(sums)], packed(messages))
    assert np.array_equal(found.bits[first >= 80], first[first >= 80])


def test_looks_end_though_everybody_is_named(rng):
    messages = rng.integers(0, 2, (6, 64))
    found = tally([(2.0 * messages - 1).mean(axis=0)], packed(messages), needed=0.0)
    assert found.named.all()
    assert tally([np.ones(64)], packed(messages)[:0], needed=1.0).bits.shape == (0,)
    assert tally([], packed(messages), needed=1.0).bits.tolist() == [0.0] * 6


def test_taking_out_is_least_squares(rng):
    known = 2.0 * rng.integers(0, 2, (3, 200)) - 1
    left = without(np.array([3.0, -1.0, 2.0]) @ known + 0.01 * rng.standard_normal(200), known)
    assert np.abs(known @ left).max() < 1e-9
    assert np.abs(left).max() < 0.1


def test_blocks_change_nothing(rng, monkeypatch):
    messages = packed(rng.integers(0, 2, (300, 100)))
    tables = [graded(rng.standard_normal(100)) for _ in range(3)]
    whole = reached(tables, messages)
    monkeypatch.setattr(tallying, "_BLOCK", 700)
    assert np.array_equal(reached(tables, messages), whole)
    assert np.array_equal(
        signs(messages, 100)[:, :100], 2.0 * np.unpackbits(messages, axis=1, bitorder="little")[:, :100] - 1
    )


def test_an_innocent_is_named_as_seldom_as_the_bar_says(rng):
    """A million messages against one reading, at bars low enough to be reached."""
    table = [graded(rng.standard_normal(64))]
    bits = np.concatenate([reached(table, rng.integers(0, 256, (50_000, 8), np.uint8)) for _ in range(20)])
    for bar in (1, 2, 4, 8, 12):
        assert (bits >= bar).mean() <= 2.0**-bar
    assert (bits >= 4).mean() > 2.0**-8  # a bound, and not an empty one
