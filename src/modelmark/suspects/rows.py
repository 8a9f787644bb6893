"""What answers ``ReadEach``: filters of several places, held as tensors and read a slice at a time."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from modelmark.errors import MismatchError, SuspectError
from modelmark.suspects.base import Array, ReadEach
from modelmark.suspects.places import in_order


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters of which slices are read.

    Args:
        count: how many there are.
        made: returns them as a tensor, ``(filters, M)``; called for each slice, so that a mapping of a file goes with it.
    """

    count: int
    made: Callable[[], Tensor]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Array:
        numbers = self.made()[part].detach().cpu()
        return real(numbers, numbers.dtype if numbers.dtype == torch.float64 else torch.float32).contiguous().numpy()


def real(numbers: Tensor, kind: torch.dtype) -> Tensor:
    """Return numbers in another type.

    Raises:
        SuspectError: they are complex, or of a type that torch can hold and not compute with, such as two numbers a byte.
    """
    if not numbers.is_complex():
        with contextlib.suppress(NotImplementedError):
            return numbers.to(kind)
    name = str(numbers.dtype).removeprefix("torch.")
    raise SuspectError(f"expected weights that are real numbers, got some of type {name}")


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
