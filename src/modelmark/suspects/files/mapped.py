"""Numbers that lie somewhere in a file as they are, mapped when they are asked for and let go with the tensor."""

import math
import mmap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import LIMIT

MOST_AXES = 64
"""Axes of a tensor: what torch holds."""
Shape: TypeAlias = tuple[int, ...]

_CUT_OFF = "the file was cut off, as an interrupted download leaves it; fetch it again"


@dataclass(frozen=True)
class Extent:
    """Where the numbers of one tensor lie.

    Args:
        path: of the file.
        offset: of the first byte.
        dtype: of the numbers, little-endian.
        shape: of the tensor.
        strides: in numbers; left out: rows after one another.
    """

    path: Path
    offset: int
    dtype: torch.dtype
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

    def read(self) -> Tensor:
        """Return the tensor. Changing it does not change the file."""
        flat = numbers(self.path, self.offset, self.count, self.dtype)
        return flat.reshape(self.shape) if self.strides is None else flat.as_strided(self.shape, self.strides)


def numbers(path: Path, offset: int, count: int, dtype: torch.dtype) -> Tensor:
    """Return ``count`` numbers from a byte on, mapped; copied where they do not lie at a multiple of their size."""
    if not count:
        return torch.empty(0, dtype=dtype)
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    with path.open("rb") as stream:
        piece = mmap.mmap(
            stream.fileno(), offset - start + count * dtype.itemsize, access=mmap.ACCESS_COPY, offset=start
        )
    if offset % dtype.itemsize:
        return torch.frombuffer(bytearray(memoryview(piece)[offset - start :]), dtype=dtype)
    return torch.frombuffer(piece, dtype=dtype, count=count, offset=offset - start)


def octets(path: Path, offset: int, count: int) -> npt.NDArray[np.uint8]:
    """Return ``count`` bytes, mapped."""
    found: npt.NDArray[Any] = numbers(path, offset, count, torch.uint8).numpy()
    return found


def halves(octets: Tensor, shape: Shape, *, signed: bool) -> Tensor:
    """Return integers of four bits, two in a byte, the lower half first, as int8 or uint8."""
    whole = octets.to(torch.uint8).flatten()
    found = torch.stack([whole & 15, whole >> 4], dim=1).flatten()[: math.prod(shape)].reshape(shape)
    return found.to(torch.int8) - 16 * (found > 7).to(torch.int8) if signed else found


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


def remembering(read: Callable[[str], Tensor]) -> Callable[[str], Tensor]:
    """Return a reader that keeps the tensor it made last: what is read a slice at a time is computed once."""
    last: list[tuple[str, Tensor]] = []

    def reader(name: str) -> Tensor:
        if not last or last[0][0] != name:
            last.clear()
            last.append((name, read(name)))
        return last[0][1]

    return reader
