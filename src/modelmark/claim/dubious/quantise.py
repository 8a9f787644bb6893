"""From floats to the integers that a proof is about: the same on every machine, with nothing left to choose.

A sign does not change where all weights, or all entries of the projection, are multiplied by a positive number. So the
weights are scaled to one fixed length, whatever the suspect; rounding moves only bits that are nearly undecided.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError, SuspectError

RANGE: int = 24
"""Bits of a margin: a projection is proven to lie in ``[0, 2**24)`` or ``[-2**24, -1]``, according to the drawn bit."""
SHIFT = 10
"""Bits by which the projection's fixed point (one is 2**16) is rounded: one becomes ``UNIT``."""
UNIT: int = 2**16 >> SHIFT
MOST_WIDTH = 2**16
"""M: averaged weights of a layer; its commitment has 2 MiB."""
_PRECISION = 48  # bits of the largest weight before it is scaled: twice those of a float32


def length(width: int) -> int:
    """Return the Euclidean length to which M = ``width`` weights are scaled.

    A row of the projection is about ``UNIT * sqrt(width)`` long, so up to ``width`` = 1,296 hardly a margin can leave the range;
    beyond, one of 40 standard deviations of a chance margin would (T bits that share a layer reach about ``sqrt(M / T)``).
    """
    return (1 << RANGE) // UNIT // min(math.isqrt(width) + 4, 40)


def weights(layer: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the layer's summed filters as integers of length ``length(M)``, int64 ``(M,)``.

    Args:
        layer: ``(filters, *kernel)``, floats, as ``Suspect.weight`` gives them.

    Raises:
        MismatchError: no filters, or more than ``MOST_WIDTH`` weights in one.
        SuspectError: NaN or infinite weights, or filters that cancel exactly.
    """
    if layer.ndim < 2 or layer.dtype.kind != "f":
        raise MismatchError(f"expected the floats of a layer, one filter a row, got {layer.dtype} {layer.shape}")
    columns = layer.astype(np.float64).reshape(len(layer), math.prod(layer.shape[1:])).T
    if not layer.size or len(columns) > MOST_WIDTH:
        raise MismatchError(f"expected a layer of 1 to {MOST_WIDTH} weights a filter, got {layer.shape}")
    if not np.isfinite(columns).all():
        raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
    sums = [_sum(column) for column in columns.tolist()]
    largest = max(map(abs, sums))
    if not largest:
        raise SuspectError("expected weights that do not cancel, got filters whose sum is zero")
    places = _PRECISION - math.frexp(largest)[1]
    fine = [round(math.ldexp(total, places)) for total in sums]
    norm, wanted = math.isqrt(sum(value * value for value in fine)), length(len(fine))
    return np.array([_nearest(value * wanted, norm) for value in fine], np.int64)


def projection(carriers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the projection X, ``(T, M)`` in 2**-16, rounded to 1 / ``UNIT`` (halves away from zero), int64.

    Raises:
        MismatchError: it is not the integer matrix of a key whose message was drawn.
    """
    if carriers.ndim != 2 or carriers.dtype.kind != "i":
        raise MismatchError(f"expected the integer projection of an uchida key, got {carriers.dtype} {carriers.shape}")
    wide = carriers.astype(np.int64)
    size: npt.NDArray[np.int64] = (np.abs(wide) + (1 << (SHIFT - 1))) >> SHIFT
    return np.where(wide < 0, -size, size)


def _sum(column: list[float]) -> float:
    try:
        return math.fsum(column)  # rounded once, whatever the order and the machine
    except OverflowError:
        raise SuspectError("expected weights whose sum is finite, got larger ones") from None


def _nearest(value: int, by: int) -> int:
    """Return ``value / by`` rounded, halves away from zero."""
    size = (2 * abs(value) + by) // (2 * by)
    return size if value > 0 else -size
