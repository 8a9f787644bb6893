"""GGUF, the container of llama.cpp: metadata and tensors by name, packed in blocks; the library ``gguf`` unpacks them.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3. The header is read here: the library's own
reader makes an object of every word of a vocabulary, 250 MB for 128,000 of them.
"""

import math
import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from modelmark.errors import MalformedError, MissingPackageError
from modelmark.naming import counted
from modelmark.suspects.files import ggufnames
from modelmark.suspects.files.base import HEADER, NAMES, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Extent, octets, remembering, require_shape, require_together

MAGIC = b"GGUF"
# types of metadata that are numbers, as struct spells them; 8 is a text, 9 an array
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
# types that torch holds as they are
_PLAIN = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
}  # fmt: skip
_PIECE = 2**20  # numbers unpacked at a time
_ARCHITECTURE = "general.architecture"
_SPLIT = re.compile(r"(.*)-\d{5}(-of-\d{5}\.gguf)")  # as llama.cpp names the files of one network
_ALONE = (
    "one of several files, of which the first, that says what network it is, is not beside it: rows stay as they are"
)


def is_gguf(head: bytes) -> bool:
    """Return whether the first bytes are those of GGUF."""
    return head.startswith(MAGIC)


@dataclass(frozen=True)
class _Packed:
    """A tensor in blocks of ``block`` numbers in ``nbytes`` bytes each."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    kind: Any
    block: int
    nbytes: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) // self.block * self.nbytes

    def read(self, library: ModuleType) -> Array:
        raw = octets(self.path, self.offset, self.size)
        made, step = np.empty(math.prod(self.shape), np.float32), _PIECE // self.block
        for start in range(0, len(raw) // self.nbytes, step):
            piece = raw[start * self.nbytes : (start + step) * self.nbytes].reshape(-1, self.nbytes)
            made[start * self.block : (start + len(piece)) * self.block] = library.dequantize(piece, self.kind).ravel()
        return made.reshape(self.shape)


class _Header:
    """Bytes that are taken from the front, up to ``HEADER``."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, len(MAGIC)
        with path.open("rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._end = min(len(self._data), HEADER)
        self.version = self.take("I")[0]
        if self.version not in (2, 3):
            raise MalformedError(f"expected GGUF of version 2 or 3 in {path}, got {self.version}")
        self.tensors, self.fields = self.take("QQ")

    def take(self, form: str) -> tuple[Any, ...]:
        """Return numbers."""
        start = self._skip(struct.calcsize("<" + form))
        return struct.unpack_from("<" + form, self._data, start)

    def text(self) -> str:
        """Return a text with its length before it."""
        (length,) = self.take("Q")
        start = self._skip(length)
        return self._data[start : start + length].decode(errors="replace")

    def value(self) -> Any:
        """Return a number, a text, or None of an array."""
        (kind,) = self.take("I")
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.take(self._number(kind))[0]
        kind, count = self.take("IQ")
        if kind == _TEXT:
            for _ in range(count):
                self._skip(self.take("Q")[0])
        else:
            self._skip(count * struct.calcsize("<" + self._number(kind)))
        return None

    @property
    def at(self) -> int:
        """Bytes taken."""
        return self._at

    def _number(self, kind: int) -> str:
        if kind not in _NUMBERS:
            raise MalformedError(f"expected GGUF in {self._path}, got metadata of an unknown type {kind}")
        return _NUMBERS[kind]

    def _skip(self, count: int) -> int:
        start = self._at
        self._at += count
        if self._at > self._end:
            raise MalformedError(
                f"expected GGUF in {self._path}, its header ends within",
                hint="the file was cut off, as an interrupted download leaves it; fetch it again",
            )
        return start


def opened(path: Path) -> WeightFile:
    """Return the tensors, mapped; packed ones are unpacked to float32 when they are asked for.

    Raises:
        MalformedError: truncated or damaged, or of another version.
        MissingPackageError: gguf is not installed.
    """
    try:
        from gguf import constants, quants
    except ImportError:
        raise MissingPackageError(
            "expected gguf to be installed to read GGUF", hint="pip install 'modelmark[gguf]'"
        ) from None
    header = _Header(path)
    if header.tensors > NAMES:
        raise MalformedError(f"expected at most {NAMES} tensors in {path}, got {header.tensors}")
    fields, split = _fields(path, header), ""
    if _ARCHITECTURE not in fields and "split.no" in fields:
        fields, split = _of_first(path) | fields, _ALONE
    found: dict[str, Extent | _Packed] = {}
    types: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    listed = list(_listed(path, header))
    alignment = fields.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= 2**20:
        raise MalformedError(f"expected an alignment in {path}, got {alignment!r}"[:200])
    start = -(-header.at // alignment) * alignment
    for name, shape, number, offset in listed:
        if name in types or name in unreadable:
            raise MalformedError(f"expected every name once in {path}, got {name!r} twice"[:300])
        kind = constants.GGMLQuantizationType(number) if number in _known(constants) else None
        if kind is not None and kind.name in _PLAIN:
            found[name] = Extent(path, start + offset, DTYPES[_PLAIN[kind.name]], shape)
        elif kind is not None and _unpacks(quants, kind, nbytes := constants.GGML_QUANT_SIZES[kind][1]):
            block = constants.GGML_QUANT_SIZES[kind][0]
            found[name] = _Packed(path, start + offset, shape, kind, block, nbytes)
        else:
            unreadable[name] = f"of type {kind.name if kind else number}, which gguf does not unpack"
            continue
        types[name] = kind.name
    _require_sound(path, found)
    require_names(path, types)
    shapes = {name: here.shape for name, here in found.items()}
    heads = ggufnames.heads(fields, shapes)

    def read(name: str) -> Array:
        here = found[name]
        tensor = here.read() if isinstance(here, Extent) else here.read(quants)
        return tensor[ggufnames.order(len(tensor), heads[name])] if name in heads else tensor

    reader = remembering(read)
    notes: tuple[str, ...] = (
        (f"rows of {counted(len(heads), 'layer')} put back into the order of their heads",) if heads else ()
    )
    notes += (split,) if split and _ARCHITECTURE not in fields else ()
    whole = fields.get("split.tensors.count")
    return WeightFile(
        path, f"GGUF ({fields.get(_ARCHITECTURE, 'of no architecture')})"[:100], shapes, reader, lambda: reader,
        notes=tuple(notes), unreadable=unreadable, types=types, in_order=True,
        rows=frozenset(name for name, shape in shapes.items() if len(shape) > 1),
        called=partial(ggufnames.called, str(fields.get(_ARCHITECTURE)), whole if type(whole) is int else len(shapes)),
    )  # fmt: skip


def _fields(path: Path, header: _Header) -> dict[str, Any]:
    """Return the metadata, which the header comes to next."""
    return {header.text(): header.value() for _ in range(_counted(path, header.fields))}


def _of_first(path: Path) -> dict[str, Any]:
    """Return the metadata of the first file of a network in several, which alone says more than which file it is."""
    match = _SPLIT.fullmatch(path.name)
    first = path.with_name(f"{match[1]}-00001{match[2]}") if match else path
    if first == path or not first.is_file():
        return {}
    with first.open("rb") as stream:
        is_one = is_gguf(stream.read(len(MAGIC)))
    return _fields(first, _Header(first)) if is_one else {}


def _unpacks(library: ModuleType, kind: Any, nbytes: int) -> bool:
    try:
        library.dequantize(np.zeros((1, nbytes), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def _known(constants: ModuleType) -> set[int]:
    return {kind.value for kind in constants.GGMLQuantizationType}


def _counted(path: Path, count: int) -> int:
    if count > NAMES:
        raise MalformedError(f"expected at most {NAMES} lines of metadata in {path}, got {count}")
    return count


def _listed(path: Path, header: _Header) -> Iterator[tuple[str, tuple[int, ...], int, int]]:
    """Yield name, shape with rows first, type and offset of every tensor."""
    for _ in range(header.tensors):
        name = header.text()
        (axes,) = header.take("I")
        if axes > 8:
            raise MalformedError(f"expected at most 8 axes of {name[:80]!r} in {path}, got {axes}"[:300])
        shape = header.take("Q" * axes)[::-1]
        yield name, shape, *header.take("IQ")


def _require_sound(path: Path, found: dict[str, Extent | _Packed]) -> None:
    """Raise MalformedError unless all tensors lie in the file, in whole blocks."""
    size = path.stat().st_size
    for name, here in found.items():
        require_shape(path, name, here.shape)
        if isinstance(here, _Packed) and here.shape[-1:] and here.shape[-1] % here.block:
            raise MalformedError(
                f"expected rows of whole blocks of {here.block} in {name} of {path}, got {here.shape}"[:300]
            )
        end = here.offset + (here.nbytes if isinstance(here, Extent) else here.size)
        if end > size:
            raise MalformedError(
                f"expected {name} to end at byte {end} of {path}, it has {size}"[:300],
                hint="the file was cut off, as an interrupted download leaves it; fetch it again",
            )
    require_together(path, (4 * math.prod(here.shape) for here in found.values()))
