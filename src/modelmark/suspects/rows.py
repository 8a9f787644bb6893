"""Weights of places as a probe wants them: whole, or filters that are read a slice at a time. Loads without torch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError, SuspectError
from modelmark.suspects.base import Array, ReadEach
from modelmark.suspects.files.dtypes import called, is_real, widened
from modelmark.suspects.places import in_order

_BLOCK = 2**18  # numbers in memory at a time


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters of which slices are read.

    Args:
        count: how many there are.
        made: returns them, ``(filters, M)``; called for each slice, so that a mapping of a file goes with it.
    """

    count: int
    made: Callable[[], Array]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Array:
        return np.ascontiguousarray(real(self.made()[part]))


def real(numbers: Array) -> npt.NDArray[np.floating[Any]]:
    """Return numbers as float32, those of float64 as they are.

    Raises:
        SuspectError: they are complex, or of a type that can be held and not computed with, such as two numbers a byte.
    """
    if not is_real(numbers.dtype):
        raise SuspectError(f"expected weights that are real numbers, got some of type {called(numbers.dtype)}")
    return widened(numbers)


def finite(candidates: Iterable[Array], what: str) -> list[npt.NDArray[np.float64]]:
    """Return arrays in double precision, without those in which a number is NaN, infinite or not real.

    Raises:
        SuspectError: none is left.
    """
    found, refusal = [], SuspectError(f"expected finite {what} from the suspect, got NaN or infinity")
    for values in candidates:
        try:
            array = real(values).astype(np.float64, copy=False)
        except SuspectError as error:
            refusal = error
            continue
        if np.isfinite(array).all():
            found.append(array)
    if not found:
        raise refusal
    return found


def averages(candidates: Iterable[Filters]) -> list[npt.NDArray[np.float64]]:
    """Return the mean filter of each, ``(1, M)``, without those that ``finite`` leaves out."""
    return finite(map(_averaged, candidates), "weights")


def _averaged(filters: Filters) -> Array:
    """Return the mean of rows, added one after another as ``mean`` does it, some of them in memory at a time."""
    first = filters.made()[:1]
    if not is_real(first.dtype):
        return first
    width = first.shape[1]
    step = max(1, _BLOCK // max(width, 1))
    if len(filters) <= step:
        return filters[:].astype(np.float64).mean(axis=0, keepdims=True)
    rows, total = np.empty((step + 1, width)), np.zeros(width)
    for start in range(0, len(filters), step):
        part = filters[start : start + step]
        rows[0], rows[1 : len(part) + 1] = total, part
        total = rows[: len(part) + 1].sum(axis=0)
    return total[None] / len(filters)


def beside(found: Sequence[Filters | None]) -> Array:
    """Return the answer to ``ReadEach``, an object array.

    Raises:
        MismatchError: nothing was found.
    """
    if all(filters is None for filters in found):
        raise MismatchError(
            "expected the layers that the key marks, this model has none of them",
            hint="layers of other widths are read against the host: --align-to",
        )
    answer = np.empty(len(found), object)
    answer[:] = found
    return answer


def sized(probe: ReadEach, sizes: Mapping[str, tuple[int, int]]) -> list[str | None]:
    """Return the path of each place of a probe, None where there is none of its size.

    Args:
        probe: says paths and sizes.
        sizes: filters and M by path, in the order of the graph.
    """
    wanted = [(filters, place.width) for place, filters in zip(probe.places, probe.filters, strict=True)]
    if not any(place.path in sizes for place in probe.places):
        return in_order(sizes, wanted)
    return [
        place.path if sizes.get(place.path) == size else None for place, size in zip(probe.places, wanted, strict=True)
    ]
