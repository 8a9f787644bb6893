"""From numbers that a suspect gives to whole grades, by rank: nothing here sees a message."""

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


def residuals(values: Reals, reference: Reals) -> Reals:
    """Return what is left of values when as much of the reference as fits them best is taken off, and then their median."""
    if not len(values):
        return values
    own, other = values - values.mean(), reference - reference.mean()
    among = float(other @ other)
    rest: Reals = own - (float(own @ other) / among * other if among > 0 else 0.0)
    return rest - np.median(rest)


def grades(values: Reals, count: int) -> npt.NDArray[np.int64]:
    """Return for each value its place from 0 to ``count - 1`` among all: equal shares by rank, equal values alike."""
    if not len(values):
        return np.empty(0, np.int64)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = 2 * np.cumsum(counts) - counts  # twice the mean of the places, from 0, of equal values, and 1
    found: npt.NDArray[np.int64] = (middle[which] * count // (2 * len(values))).astype(np.int64)
    return found
