"""Numbers that lie somewhere in a file as they are, mapped when they are asked for and let go with the tensor."""

import math
import mmap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import LIMIT
from modelmark.suspects.files.dtypes import Array

MOST_AXES = 64
"""Axes of a tensor: what torch and numpy hold."""
Shape: TypeAlias = tuple[int, ...]

_CUT_OFF = "the file was cut off, as an interrupted download leaves it; fetch it again"


@dataclass(frozen=True)
class Extent:
    """Where the numbers of one tensor lie.

    Args:
        path: of the file.
        offset: of the first byte.
        dtype: of the numbers, one of ``dtypes.DTYPES``.
        shape: of the tensor.
        strides: in numbers; left out: rows after one another.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape | None = None

    @property
    def count(self) -> int:
        """Numbers from the first to the last."""
        if self.strides is None or 0 in self.shape:
            return math.prod(self.shape)
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last."""
        return self.count * self.dtype.itemsize

    @property
    def is_expanded(self) -> bool:
        """Whether it repeats fewer numbers: a few bytes of a file can stand for any memory."""
        return math.prod(self.shape) > self.count

    def read(self) -> Array:
        """Return the tensor. Changing it does not change the file."""
        return self.laid(numbers(self.path, self.offset, self.count, self.dtype))

    def laid(self, flat: Array) -> Array:
        """Return numbers from the first to the last as the tensor."""
        if self.strides is None or not len(flat):
            return flat.reshape(self.shape)
        return as_strided(flat, self.shape, [self.dtype.itemsize * stride for stride in self.strides])


def numbers(path: Path, offset: int, count: int, dtype: np.dtype[Any]) -> Array:
    """Return ``count`` numbers from a byte on, mapped; copied where they do not lie at a multiple of their size."""
    if not count:
        return np.empty(0, dtype)
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    with path.open("rb") as stream:
        piece = mmap.mmap(
            stream.fileno(), offset - start + count * dtype.itemsize, access=mmap.ACCESS_COPY, offset=start
        )
    found = np.frombuffer(piece, dtype, count, offset - start)
    return found.copy() if offset % dtype.itemsize else found


def octets(path: Path, offset: int, count: int) -> npt.NDArray[np.uint8]:
    """Return ``count`` bytes, mapped."""
    return numbers(path, offset, count, np.dtype(np.uint8))


def halves(octets: Array, shape: Shape, *, signed: bool) -> Array:
    """Return integers of four bits, two in a byte, the lower half first, as int8 or uint8."""
    whole = octets.astype(np.uint8).ravel()
    found = np.stack([whole & 15, whole >> 4], axis=1).ravel()[: math.prod(shape)].reshape(shape)
    return found.astype(np.int8) - 16 * (found > 7).astype(np.int8) if signed else found


def spreads(part: Sequence[int], whole: Sequence[int]) -> bool:
    """Return whether a tensor of one shape spreads over one of another without making it larger."""
    last = whole[len(whole) - len(part) :]
    return len(part) <= len(whole) and all(size in (1, full) for size, full in zip(part, last, strict=True))


def require_within(path: Path, extents: Mapping[str, Extent]) -> None:
    """Raise MalformedError unless every tensor lies within its file and has as many axes as a tensor can."""
    sizes: dict[Path, int] = {}
    for given, extent in extents.items():
        name = _shown(given)
        require_shape(path, given, extent.shape)
        if extent.strides is not None and (
            len(extent.strides) != len(extent.shape) or min(extent.strides, default=0) < 0
        ):
            raise MalformedError(f"expected a stride for each axis of {name} in {path}, got {extent.strides}"[:300])
        size = sizes.setdefault(extent.path, extent.path.stat().st_size)
        if extent.offset < 0 or extent.offset + extent.nbytes > size:
            end = extent.offset + extent.nbytes
            raise MalformedError(
                f"expected {name} to end at byte {end} of {extent.path}, it has {size}"[:300], hint=_CUT_OFF
            )
    require_together(path, (math.prod(extent.shape) * extent.dtype.itemsize for extent in extents.values()))


def require_shape(path: Path, name: str, shape: Iterable[int]) -> None:
    """Raise MalformedError unless a shape can be one."""
    shape = tuple(shape)
    if len(shape) > MOST_AXES or any(size < 0 or size >= 2**48 for size in shape):
        raise MalformedError(f"expected the shape of {_shown(name)} in {path}, got {shape}"[:300])


def _shown(name: str) -> str:
    """Return a name from a file in one line."""
    return name[:100].encode("unicode_escape").decode()


def require_together(path: Path, sizes: Iterable[int]) -> None:
    """Raise MalformedError if tensors are more bytes together than ``LIMIT``."""
    if sum(sizes) > LIMIT:
        raise MalformedError(f"expected tensors of at most {LIMIT} bytes together in {path}, got more")


def remembering(read: Callable[[str], Array]) -> Callable[[str], Array]:
    """Return a reader that keeps the tensor it made last: what is read a slice at a time is computed once."""
    last: list[tuple[str, Array]] = []

    def reader(name: str) -> Array:
        if not last or last[0][0] != name:
            last.clear()
            last.append((name, read(name)))
        return last[0][1]

    return reader
