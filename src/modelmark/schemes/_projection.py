"""Projection matrices of weight marks, as fixed-point integers derived from the secret."""

import numpy as np
import numpy.typing as npt

from modelmark.carriers.rows import UNIT
from modelmark.errors import CapacityError
from modelmark.key.secret import Secret

MAX_ENTRIES = 2**28
"""Of a projection: 4,096 bits over 65,536 averaged weights fit, a key made to exhaust the memory does not."""
MAX_BITS = 2**16
"""Of a message: each is drawn, and each row committed, for itself."""


def require_size(rows: int, width: int, *, bits: int = 0) -> None:
    """Raise CapacityError if a projection, or a message of more bits than its rows, would be too large to make."""
    if max(rows, bits) > MAX_BITS:
        raise CapacityError(f"expected a message of at most {MAX_BITS} bits, got {max(rows, bits)}")
    if rows * width > MAX_ENTRIES:
        raise CapacityError(f"expected at most {MAX_ENTRIES} entries in the projection, got {rows} x {width}")


def random(secret: Secret, rows: int, width: int, *, use: str = "random") -> npt.NDArray[np.int32]:
    """Return rows of independent near-normal entries, ``(rows, width)``, in ``1 / UNIT``; each ``use`` has its own."""
    return secret.normals(f"projection/{use}", rows * width).reshape(rows, width)


def centred(secret: Secret, rows: int, width: int, *, use: str = "centred") -> npt.NDArray[np.int32]:
    """Return rows like those of ``random`` that add up to exactly 0, ``(rows, width)``.

    A number added to all weights of a filter, as by a wrong zero point, then does not move what is read.
    """
    matrix = random(secret, rows, width, use=use).astype(np.int64)
    mean, rest = np.divmod(matrix.sum(axis=1, keepdims=True), width)
    return (matrix - mean - (np.arange(width) < rest)).astype(np.int32)


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
