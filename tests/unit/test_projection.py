"""The three projections of Uchida et al. have the entries that the paper gives them."""

import numpy as np
import pytest

from modelmark.key.secret import Secret
from modelmark.schemes import _projection
from modelmark.schemes._projection import UNIT

SECRET = Secret(bytes(range(32)))


def test_direct_rows_pick_one_weight_each() -> None:
    matrix = _projection.direct(SECRET, 8, 10)
    assert (matrix.dtype, matrix.shape) == (np.int32, (8, 10))
    assert sorted(matrix.flatten().tolist())[-9:] == [0] + [UNIT] * 8
    assert matrix.sum(axis=1).tolist() == [UNIT] * 8
    assert matrix.sum(axis=0).max() == UNIT


def test_difference_rows_subtract_two_weights_of_their_own() -> None:
    matrix = _projection.difference(SECRET, 5, 10)
    assert [sorted(row[row != 0].tolist()) for row in matrix] == [[-UNIT, UNIT]] * 5
    assert np.count_nonzero(matrix, axis=0).tolist() == [1] * 10


def test_random_entries_are_near_normal_and_rows_unrelated() -> None:
    matrix = _projection.random(SECRET, 64, 1000) / UNIT
    assert matrix.std() == pytest.approx(1, abs=0.01)
    correlation = np.corrcoef(matrix) - np.eye(64)
    assert np.abs(correlation).max() < 6 / np.sqrt(1000)
