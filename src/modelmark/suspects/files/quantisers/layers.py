"""A layer that a quantiser packed: the tensors that it left, and what makes the numbers of them that they stand for."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import MOST_AXES, Shape

Config: TypeAlias = Mapping[str, Any]
"""``quantization_config`` of a folder; empty where there is none."""
_LITTLE = 2**16  # bytes of a tensor that says how others are packed
# types as containers call them
_KINDS = {
    "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U32": "uint32",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
_SIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "int16": 2, "int32": 4, "int64": 8}


@dataclass(frozen=True)
class Layer:
    """A weight that a file holds in parts.

    Args:
        name: that it has where nothing is packed.
        shape: of it.
        parts: names of the tensors that ``made`` is given, the first of them the packed numbers.
        made: returns the weight, float32.
        kind: of the packing, in words.
        beside: names of tensors that say how it is packed.
        is_linear: whether its rows are filters, whatever the network's own code has.
    """

    name: str
    shape: Shape
    parts: tuple[str, ...]
    made: Callable[..., Array] = field(repr=False)
    kind: str
    beside: tuple[str, ...] = ()
    is_linear: bool = True


class Parts:
    """What a file holds, for those who look for parts of packed weights."""

    def __init__(self, file: WeightFile) -> None:
        self._file = file
        self.path: Path = file.path
        self.metadata = file.metadata

    def __contains__(self, name: str) -> bool:
        return name in self._file.shapes

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor.

        Raises:
            MalformedError: there is none of that name.
        """
        if name not in self._file.shapes:
            raise MalformedError(
                f"expected {name[:150]!a} in {self.path}, as what is packed needs it, found none"[:400]
            )
        return tuple(self._file.shapes[name])

    def kind(self, name: str) -> str:
        """Return the type of a tensor by numpy's name, as far as it is known."""
        found = self._file.types.get(name, "")
        return _KINDS.get(found, found)

    def ending(self, *endings: str) -> Iterator[tuple[str, str]]:
        """Yield the names that end so, without and with that ending."""
        for name in self._file.shapes:
            for end in endings:
                if name.endswith(end) and len(name) > len(end):
                    yield name.removesuffix(end), name
                    break

    def little(self, name: str) -> Array:
        """Return a tensor that says how others are packed.

        Raises:
            MalformedError: there is none, or it is larger than such a one.
        """
        shape = self.shape(name)
        if math.prod(shape) * _SIZES.get(self.kind(name), 1) > _LITTLE:
            raise self.refused(name, f"at most {_LITTLE} bytes", f"shape {shape}")
        return self._file.tensor(name)

    def require(self, name: str, *shapes: Shape, kinds: tuple[str, ...] = ()) -> Shape:
        """Return the shape of a tensor that has one of these shapes and types.

        Raises:
            MalformedError: it has others.
        """
        shape = self.shape(name)
        if shape not in shapes:
            raise self.refused(name, f"shape {' or '.join(map(str, dict.fromkeys(shapes)))}", str(shape))
        if kinds and self.kind(name) not in kinds:
            raise self.refused(name, " or ".join(kinds), self.kind(name))
        return shape

    def refused(self, name: str, expected: str, got: str) -> MalformedError:
        """Return the refusal of a part that does not go with the others."""
        return MalformedError(f"expected {name[:120]!a} in {self.path} of {expected}, got {got}"[:400])


def is_shape(value: object) -> TypeGuard[Sequence[int]]:
    """Return whether a value from a file can be a shape."""
    whole = isinstance(value, list | tuple) and all(type(size) is int and 0 < size < 2**32 for size in value)
    return whole and 0 < len(value) <= MOST_AXES  # type: ignore[arg-type]


def unpacked(words: Array, bits: int, count: int) -> Array:
    """Return numbers of ``bits`` bits that lie one after the other along the first axis, float32 ``(count, ...)``.

    Args:
        words: of 32 or 8 bits, the first number in the lowest bits of the first; numbers may lie across two words.
        bits: of a number.
        count: of numbers along the axis.
    """
    wide = 8 * words.dtype.itemsize
    words = words.view(f"u{words.dtype.itemsize}")
    made = np.empty((count, *words.shape[1:]), np.float32)
    period = wide // math.gcd(wide, bits)  # numbers until one begins at a word's start again
    for place in range(min(period, count)):
        word, shift = divmod(place * bits, wide)
        step = period * bits // wide
        there = len(made[place::period])
        low = words[word::step][:there] >> shift
        if shift + bits > wide:
            low = low | words[word + 1 :: step][:there] << (wide - shift)
        made[place::period] = low & ((1 << bits) - 1)
    return made


def scaled(numbers: Array, scale: Array, zero: Array | None = None, steps: Shape | None = None) -> Array:
    """Return ``(numbers - zero) * scale`` of a matrix, in place where it is float32.

    Args:
        numbers: ``(rows, columns)``.
        scale: one for each block of rows and columns, ``(blocks, blocks)``.
        zero: of the same shape.
        steps: rows and columns of a block; left out: what ``block`` says.
    """
    made = np.asarray(numbers, np.float32) if numbers.dtype == np.float32 else numbers.astype(np.float32)
    (rows, columns), scale = made.shape, scale.astype(np.float32)
    high, wide = steps or (block(rows, scale.shape[0]), block(columns, scale.shape[1]))
    zeros = None if zero is None else zero.astype(np.float32)
    for number, start in enumerate(range(0, columns, wide)):
        part = made[:, start : start + wide]
        if zeros is not None:
            part -= np.repeat(zeros[:, number], high)[:rows, None]
        part *= np.repeat(scale[:, number], high)[:rows, None]
    return made


def block(size: int, count: int) -> int:
    """Return how many entries of an axis go with one scale: equal shares, else a power of two; 0 if neither gives ``count``."""
    if count < 1 or size < 1 or size % count == 0:
        return size // count if count > 0 else 0
    step = 1 << (-(-size // count) - 1).bit_length()
    return step if -(-size // step) == count else 0
