"""The program of a Core ML model: what each operation does with which constants, and where their numbers lie.

Source: https://github.com/apple/coremltools/tree/main/mlmodel/format, MIL.proto and Model.proto. Nothing is copied but names.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import NAMES
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Shape, numbers, require_shape
from modelmark.suspects.files.protobuf import Message, Span, varints
from modelmark.suspects.files.quantisers.layers import unpacked

# types by their numbers: of numpy, or how many bits an integer has that is packed
TYPES: dict[int, str | int] = {
    1: "bool", 10: "float16", 11: "float32", 12: "float64", 13: "bfloat16", 21: "int8", 22: "int16", 23: "int32", 24: "int64",
    31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64", 40: "float8_e4m3fn", 41: "float8_e5m2", 25: 4, 35: 4, 36: 2, 37: 1,
    38: 6, 39: 3,
}  # fmt: skip
_SIGNED = 25  # of those that are packed
_PROGRAM, _HEADER = 502, struct.Struct("<IIQQQ")  # sentinel, type, bytes, where, bits of padding
_SENTINEL = 0xDEADBEEF
_AT = "@model_path/"


@dataclass(frozen=True)
class Value:
    """A constant of the program.

    Args:
        kind: number of its type.
        shape: of it.
        raw: its bytes, where they are in the program itself.
        integers: its numbers, where they are.
        file: that holds it otherwise.
        offset: of its header in that file.
    """

    kind: int
    shape: Shape
    raw: bytes | None = None
    integers: tuple[int, ...] | None = None
    file: str = ""
    offset: int = 0

    def read(self, folder: Path) -> Array:
        """Return the numbers; packed ones as float32.

        Raises:
            MalformedError: they do not lie where the program says, or not as many.
        """
        bits, count = TYPES[self.kind], int(np.prod(self.shape, dtype=object))
        if self.integers is not None:
            return np.array(self.integers, np.int64).reshape(self.shape)
        dtype = DTYPES["uint8" if isinstance(bits, int) else bits]
        needed = -(-count * bits // 8) if isinstance(bits, int) else count * dtype.itemsize
        if self.raw is not None:
            if len(self.raw) != needed:
                raise MalformedError(f"expected {needed} bytes of a constant in {folder}, got {len(self.raw)}")
            flat: Array = np.frombuffer(self.raw, dtype)
        else:
            flat = numbers(self.path(folder), self._place(folder, needed), needed // dtype.itemsize, dtype)
        if isinstance(bits, str):
            return flat.reshape(self.shape)
        found = unpacked(flat, bits, count)
        return (found - 16 * (found > 7) if self.kind == _SIGNED else found).reshape(self.shape)

    def path(self, folder: Path) -> Path:
        """Return the file that holds it.

        Raises:
            MalformedError: that lies outside of the folder.
        """
        parts = self.file.removeprefix(_AT).split("/")
        if not self.file.startswith(_AT) or {"", ".", ".."} & {*parts} or "\\" in self.file or "\0" in self.file:
            raise MalformedError(
                f"expected the numbers of a Core ML model in {folder}, got them at {self.file!a}"[:300]
            )
        return folder.joinpath(*parts)

    def _place(self, folder: Path, needed: int) -> int:
        """Return where the numbers begin, by the header before them."""
        path = self.path(folder)
        size = path.stat().st_size if path.is_file() else -1
        if not 0 <= self.offset <= size - _HEADER.size:
            got = "none" if size < 0 else f"one of {size} bytes"
            raise MalformedError(f"expected numbers at byte {self.offset} of {path}, found {got}"[:300])
        with path.open("rb") as stream:
            stream.seek(self.offset)
            sentinel, _, length, begin, _ = _HEADER.unpack(stream.read(_HEADER.size))
        if sentinel != _SENTINEL or length != needed or begin + length > size:
            raise MalformedError(
                f"expected {needed} bytes of numbers by byte {self.offset} of {path}, got another header"[:300]
            )
        return begin


@dataclass(frozen=True)
class Operation:
    """What is done: names of what it is given and what it gives; constants that stand with it."""

    does: str
    gives: str
    inputs: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)


def operations(path: Path) -> Iterator[Operation]:
    """Yield the operations of every function of a model's program, in their order.

    Raises:
        MalformedError: damaged, or no program: models of the older kind hold layers.
    """
    message = Message(path, "a Core ML model")
    program = _first(message, message.whole, _PROGRAM)
    if program is None:
        raise MalformedError(
            f"expected a Core ML model with a program in {path}, got one of layers or of another kind",
            hint="convert it again with coremltools as an ML program, or give the state dict that it was converted from",
        )
    count = 0
    for function in (_first(message, entry, 2) for entry in _all(message, program, 2)):
        for block in (_first(message, entry, 2) for entry in _all(message, function, 3)):
            for span in _all(message, block, 3):
                count += 1
                if count > NAMES:
                    raise MalformedError(f"expected at most {NAMES} operations in {path}, got more")
                yield _operation(message, span)


def _operation(message: Message, span: Span) -> Operation:
    does, gives = "", ""
    inputs: dict[str, str] = {}
    values: dict[str, Value] = {}
    for number, value in message.fields(span):
        if number == 1:
            does = message.text(value)
        elif number == 3 and not gives:
            gives = _text(message, message.span(value), 1)
        elif number == 2:
            name, argument = _text(message, message.span(value), 1), _first(message, message.span(value), 2)
            for binding in _all(message, argument, 1):
                inputs[name] = _text(message, binding, 1)
                _take(message, _first(message, binding, 2), name, values)
        elif number == 5:
            _take(message, _first(message, message.span(value), 2), _text(message, message.span(value), 1), values)
    return Operation(does, gives, inputs, values)


def _take(message: Message, span: Span | None, name: str, values: dict[str, Value]) -> None:
    """Put the constant there among the values of an operation, if it is an array of numbers."""
    kind = _first(message, _first(message, span, 2), 1)
    if span is None or kind is None:
        return
    found = dict(message.fields(kind))
    shape = []
    for dimension in _all(message, kind, 3):
        size = dict(message.fields(_first(message, dimension, 1) or (0, 0))).get(1, 0)
        shape.append(size if isinstance(size, int) else -1)
    number = found.get(1, 0)
    if not isinstance(number, int) or number not in TYPES:
        return
    require_shape(message.path, name, shape)
    blob, tensor = _first(message, span, 5), _first(message, _first(message, span, 3), 1)
    if blob is not None:
        offset = dict(message.fields(blob)).get(2, 0)
        values[name] = Value(
            number, tuple(shape), file=_text(message, blob, 1), offset=offset if isinstance(offset, int) else -1
        )
        return
    for kind_of, part in message.fields(tensor or (0, 0)):
        data = _first(message, message.span(part), 1)
        raw = message.bytes(data, 2**24) if data is not None else b""
        if kind_of in (1, 6, 7):
            values[name] = Value(number, tuple(shape), raw=raw)
        elif kind_of in (2, 3, 5):
            values[name] = Value(number, tuple(shape), integers=tuple(varints(raw).tolist()))


def _all(message: Message, span: Span | None, wanted: int) -> Iterator[Span]:
    for number, value in message.fields(span or (0, 0)):
        if number == wanted and not isinstance(value, int):
            yield value


def _first(message: Message, span: Span | None, wanted: int) -> Span | None:
    return next(_all(message, span, wanted), None)


def _text(message: Message, span: Span, wanted: int) -> str:
    found = _first(message, span, wanted)
    return "" if found is None else message.text(found)
