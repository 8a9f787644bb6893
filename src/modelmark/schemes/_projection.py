"""Projection matrices of weight marks, as fixed-point integers derived from the secret."""

import numpy as np
import numpy.typing as npt

from modelmark.secret import NORMAL_UNIT, Secret

UNIT = NORMAL_UNIT
"""The integer that stands for 1.0."""


def random(secret: Secret, rows: int, width: int) -> npt.NDArray[np.int32]:
    """Return rows of independent near-normal entries, ``(rows, width)``, in ``1 / UNIT``."""
    return secret.normals("projection/random", rows * width).reshape(rows, width)


def direct(secret: Secret, rows: int, width: int) -> npt.NDArray[np.int32]:
    """Return rows with a single 1, each in a column of its own, ``(rows, width)``; needs ``rows <= width``."""
    matrix = np.zeros((rows, width), np.int32)
    columns = secret.permutation("projection/direct", width)[:rows]
    matrix[np.arange(rows), columns] = UNIT
    return matrix


def difference(secret: Secret, rows: int, width: int) -> npt.NDArray[np.int32]:
    """Return rows with one +1 and one -1, all in columns of their own, ``(rows, width)``; needs ``2 * rows <= width``."""
    matrix = np.zeros((rows, width), np.int32)
    columns = secret.permutation("projection/diff", width)[: 2 * rows].reshape(2, rows)
    matrix[np.arange(rows), columns[0]] = UNIT
    matrix[np.arange(rows), columns[1]] = -UNIT
    return matrix
