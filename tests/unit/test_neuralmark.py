"""NeuralMark: what a filter leaves, what overwriting and re-ordering do, and why the filter may not follow from the message."""

import dataclasses

import numpy as np
import pytest
import torch
from layer_marks import FEED, embedded, key, net

from modelmark.carriers.pooled import Pooled, remaining, selected
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError
from modelmark.marks.keys import keygen
from modelmark.schemes.neuralmark import NeuralMark, _hash
from modelmark.suspects.module import WhiteBox

SCHEME = NeuralMark(layer="1", bits=64, pooled=128)


@pytest.fixture(scope="module")
def mark():
    return key(SCHEME).mark()


@pytest.fixture(scope="module")
def marked(mark):
    return embedded(mark, net(), steps=150, rate=0.3)


def test_a_filter_is_applied_round_by_round_and_the_rest_is_pooled():
    keep = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], np.uint8)
    first = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]  # of 20
    assert selected(keep[:1], 2, 22).tolist() == np.reshape(first, (5, 2)).tolist()
    assert selected(keep, 2, 22).tolist() == [[2, 4], [10, 12]]
    assert selected(keep, 8, 22).shape == (0, 8)
    assert [remaining(keep, count) for count in (22, 3)] == [4, 0]


def test_a_marked_layer_is_read_and_neither_another_nor_by_another_key(mark, marked):
    assert mark.evidence(WhiteBox(marked)).matches == 64
    assert float(mark.margins(marked).min()) >= 0.1
    for other in (mark.evidence(WhiteBox(net())), key(SCHEME, bytes(32)).mark().evidence(WhiteBox(marked))):
        assert other.matches < 50


def test_a_second_key_over_it_has_other_weights_and_takes_few_bits(mark, marked):
    """Two filters of four rounds leave a sixteenth of the weights each, and share a 256th."""
    second = key(SCHEME, bytes(32)).mark()
    over = embedded(second, net(), steps=0, rate=0.3)
    over.load_state_dict(marked.state_dict())
    embedded(second, over, steps=150, rate=0.3)
    assert second.evidence(WhiteBox(over)).matches == 64
    assert mark.evidence(WhiteBox(over)).matches >= 60


def test_filters_in_another_order_leave_coins(mark, marked):
    other = net()
    other.load_state_dict(marked.state_dict())
    with torch.no_grad():
        other[1].weight.copy_(marked[1].weight[torch.arange(95, -1, -1)])
    assert mark.evidence(WhiteBox(other)).matches < 50


def test_the_literal_message_is_a_hash_of_its_rows_and_its_own_filter():
    literal = key(dataclasses.replace(SCHEME, message="hash"))
    made, bits = literal.carriers, literal.mark().message
    assert all(np.array_equal(row, bits) for row in made.keep)
    assert "could have been searched for" in literal.scheme.objection()
    changed = made.matrix.copy()
    changed[0, 0] += 1
    assert 10 < (_hash(changed) != bits).sum() < 54  # half of 64, by what one number does to a hash


def test_a_filter_that_was_changed_or_cut_is_refused(mark):
    statement = Statement.of(mark.key.statement)
    leaves = dict(enumerate(mark.key.carriers.leaves()))
    revealed = mark.key.private
    assert np.array_equal(Pooled.opened(statement, leaves, revealed).keep, mark.key.carriers.keep)
    for other in (leaves | {3: b"\xff" + leaves[3][1:]}, leaves | {3: leaves[3][:-1]}, {0: b""}):
        with pytest.raises(MalformedError, match="expected"):
            Pooled.opened(statement, other, revealed)


def test_a_layer_with_too_few_weights_reads_as_nothing(mark):
    assert (mark.key.carriers.answers([np.ones((2, 64))]) == -1).all()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: NeuralMark(rounds=0), ValueError),
        (lambda: NeuralMark(rounds=33), ValueError),
        (lambda: NeuralMark(pooled=0), ValueError),
        (lambda: keygen(NeuralMark(layer="1", bits=257), net(), FEED), CapacityError),
        (lambda: keygen(NeuralMark(layer="1", bits=144, pooled=500), net(), FEED), CapacityError),
        (lambda: NeuralMark(layer="1", bits=9, pooled=9, width=64, filters=95).check(net(), FEED), MismatchError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()
