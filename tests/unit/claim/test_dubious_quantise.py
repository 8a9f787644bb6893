"""Integers that leave no choice: one layer, one vector, and the signs that the floats have."""

import math

import numpy as np
import pytest

from modelmark.carriers.rows import real
from modelmark.claim.dubious import quantise
from modelmark.errors import MismatchError, SuspectError
from modelmark.schemes import _projection


@pytest.fixture
def layer(rng):
    return rng.normal(0.01, 0.05, (32, 12, 3, 4))


@pytest.mark.parametrize("width", [1, 16, 144, 1296, 2304, quantise.MOST_WIDTH])
def test_every_layer_is_as_long_as_its_width_says(width, rng) -> None:
    found = quantise.weights(rng.normal(size=(2, width)))
    wanted = quantise.length(width)
    assert wanted == (2**18) // min(math.isqrt(width) + 4, 40)
    assert abs(math.hypot(*found) - wanted) <= 1 + math.sqrt(width) / 2


def test_scale_and_order_of_filters_change_nothing(layer) -> None:
    found = quantise.weights(layer)
    assert np.array_equal(quantise.weights(layer * 2.0**-60), found)
    assert np.array_equal(quantise.weights(layer[::-1]), found)
    assert np.array_equal(quantise.weights(-layer), -found)
    assert np.array_equal(
        quantise.weights(layer.astype(np.float32).astype(np.float64)), quantise.weights(layer.astype(np.float32))
    )


def test_signs_are_those_of_the_floats_but_for_nearly_undecided_ones(layer, secret) -> None:
    X = _projection.random(secret, 400, 144)
    exact = real(X) @ layer.mean(axis=0).ravel()
    rounded = quantise.projection(X) @ quantise.weights(layer)
    flipped = (exact >= 0) != (rounded >= 0)
    assert flipped.sum() <= 4
    assert np.abs(exact[flipped]).max(initial=0) < 0.02 * exact.std()
    assert abs(rounded).max() < 2**quantise.RANGE


def test_a_mark_along_one_row_still_fits_its_range(secret) -> None:
    X = _projection.random(secret, 4, 1296)
    along = quantise.weights(real(X)[:1].repeat(2, axis=0))
    assert 2**23 < (quantise.projection(X) @ along)[0] < 2**quantise.RANGE


def test_entries_are_rounded_evenly() -> None:
    entries = np.array([[0, 511, 512, -511, -512, 65536, -65536, 1536]], np.int32)
    assert quantise.projection(entries).tolist() == [[0, 0, 1, 0, -1, 64, -64, 2]]


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (np.zeros((3, 4)), SuspectError),
        (np.array([[1.0, -2.0], [-1.0, 2.0]]), SuspectError),
        (np.array([[1.0, np.nan]]), SuspectError),
        (np.array([[1.0, np.inf]]), SuspectError),
        (np.full((4, 2), 1.7e308), SuspectError),
        (np.ones((4, 2), np.int64), MismatchError),
        (np.ones(4), MismatchError),
        (np.ones((0, 4)), MismatchError),
        (np.ones((4, 0)), MismatchError),
        (np.ones((1, quantise.MOST_WIDTH + 1)), MismatchError),
    ],
)
def test_layers_that_cannot_be_read(layer, error) -> None:
    with pytest.raises(error, match=r"^expected .*, got "):
        quantise.weights(layer)


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.ones(3, np.int32), np.ones((2, 3), np.uint8)])
def test_projections_that_no_drawn_key_has(matrix) -> None:
    with pytest.raises(MismatchError, match=r"^expected the integer projection"):
        quantise.projection(matrix)
