"""Flax's msgpack: arrays by path, mapped; kernels turned to filters first.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md; an array is an extension of type 1 that holds shape, type and
bytes, as ``flax.serialization`` writes it. The library ``msgpack`` copies every array into memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.suspects.files import kernels
from modelmark.suspects.files.base import NAMES, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array, called
from modelmark.suspects.files.mapped import Extent, require_within

_HEAD = re.compile(rb"(?:[\x81-\x8f]|\xde..|\xdf....)[\xa1-\xbf\xd9]", re.DOTALL)
_DEPTH = 64
_WORDS = 2**22
# first bytes: of what has its size in so many bytes after it, and how many more bytes stand before what it holds
_MAPS, _LISTS, _TEXTS = {0xDE: 2, 0xDF: 4}, {0xDC: 2, 0xDD: 4}, {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES, _EXTENSIONS = {0xC4: 1, 0xC5: 2, 0xC6: 4}, {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED = {
    0xC0: 0,
    0xC2: 0,
    0xC3: 0,
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
}
_ARRAY = 1
TYPES = {
    name: DTYPES[name]
    for name in (
        "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
        "float8_e4m3fn", "float8_e5m2",
    )
}  # fmt: skip
_ASIDE = ("opt_state", "step")


def is_msgpack(head: bytes) -> bool:
    """Return whether the first bytes are those of a map by texts."""
    return bool(_HEAD.match(head))


@dataclass(frozen=True)
class _Held:
    """A value: its kind, where what it holds begins, how many bytes or entries that is, and the type of an extension."""

    kind: str
    at: int
    size: int
    code: int = 0


class _File:
    """Values one after the other."""

    def __init__(self, path: Path) -> None:
        self.path, self.at, self._left = path, 0, _WORDS
        self.size = path.stat().st_size
        self.stream = path.open("rb")

    def damaged(self) -> MalformedError:
        """Return the refusal."""
        return MalformedError(
            f"expected msgpack as Flax writes it in {self.path}, got a damaged one",
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        )

    def take(self) -> _Held:
        """Return the next value and go on behind it, of maps and lists to their first entry."""
        self._left -= 1
        first = self._number(1)
        if self._left < 0:
            raise self.damaged()
        if first < 0x80 or first >= 0xE0:
            return _Held("number", self.at, first)
        if first < 0xA0:
            return _Held("map" if first < 0x90 else "list", self.at, first & 15)
        if first < 0xC0:
            return self._bytes("text", first & 31)
        for kinds, kind in ((_MAPS, "map"), (_LISTS, "list")):
            if first in kinds:
                count = self._number(kinds[first])
                return _Held(kind, self.at, count)
        for kinds, kind in ((_TEXTS, "text"), (_BYTES, "bytes")):
            if first in kinds:
                return self._bytes(kind, self._number(kinds[first]))
        if first in _FIXED:
            value = self._number(_FIXED[first])
            return _Held("number", self.at, value)
        if first in _EXTENSIONS or 0xD4 <= first <= 0xD8:
            size = self._number(_EXTENSIONS[first]) if first in _EXTENSIONS else 1 << (first - 0xD4)
            code = self._number(1)
            return self._bytes("extension", size, code)
        raise self.damaged()

    def text(self, held: _Held) -> str:
        """Return a text."""
        if held.kind != "text" or held.size > 2**16:
            raise self.damaged()
        self.stream.seek(held.at)
        return self.stream.read(held.size).decode(errors="replace")

    def _bytes(self, kind: str, size: int, code: int = 0) -> _Held:
        start = self.at
        self.at += size
        if self.at > self.size:
            raise self.damaged()
        return _Held(kind, start, size, code)

    def _number(self, size: int) -> int:
        self.stream.seek(self.at)
        data = self.stream.read(size)
        self.at += size
        if len(data) < size:
            raise self.damaged()
        return int.from_bytes(data, "big")


def opened(path: Path) -> WeightFile:
    """Return the arrays by their paths, mapped.

    Raises:
        MalformedError: damaged, or without arrays.
    """
    file = _File(path)
    extents: dict[str, Extent] = {}
    unreadable: dict[str, str] = {}
    aside = set()
    try:
        for name, found in _arrays(file):
            if name.split("/")[0] in _ASIDE:
                aside.add(name.split("/")[0])
            elif name in extents or name in unreadable:
                raise MalformedError(f"expected every name once in {path}, got {name!r} twice"[:300])
            elif isinstance(found, str):
                unreadable[name] = found
            else:
                extents[name] = found
            if len(extents) > NAMES:
                raise MalformedError(f"expected at most {NAMES} arrays in {path}, got more")
    finally:
        file.stream.close()
    require_names(path, extents)
    require_within(path, extents)
    if not extents:
        raise MalformedError(f"expected arrays as Flax writes them in {path}, got none")
    turns = {
        name: turn
        for name, extent in extents.items()
        if name.endswith("kernel") and (turn := kernels.turn(name.lower(), extent.shape, swapped=False))
    }

    def read(name: str) -> Array:
        tensor = extents[name].read()
        return turns[name](tensor) if name in turns else tensor

    return WeightFile(
        path, "msgpack of Flax",
        {name: turns[name].shape if name in turns else extent.shape for name, extent in extents.items()}, read, lambda: read,
        notes=(f"left aside: {', '.join(sorted(aside))}",) if aside else (),
        unreadable=unreadable, types={name: called(extent.dtype) for name, extent in extents.items()},
        stored={name: extents[name].shape for name in turns}, rows=frozenset(turns), in_order=True,
        called=lambda name: kernels.called(extents, name),
    )  # fmt: skip


def _arrays(file: _File) -> Iterator[tuple[str, Extent | str]]:
    """Yield arrays with their paths, and what is not read with the reason."""
    top = file.take()
    if top.kind != "map":
        raise file.damaged()
    left = [("", top.size)]  # maps that are open: path, entries that are left
    while left:
        path, entries = left.pop()
        if not entries:
            continue
        left.append((path, entries - 1))
        name = f"{path}/{file.text(file.take())}".removeprefix("/")
        held = file.take()
        if held.kind == "map":
            if len(left) > _DEPTH or len(name) > 2**12:
                raise file.damaged()
            left.append((name, held.size))
        elif held.kind == "list":
            _skip(file, held.size)
        elif held.kind == "extension" and held.code == _ARRAY:
            yield name, _array(file, held)


def _skip(file: _File, count: int) -> None:
    """Go on behind so many values."""
    while count:
        held = file.take()
        count += held.size * (2 if held.kind == "map" else 1) if held.kind in ("map", "list") else 0
        count -= 1


def _array(file: _File, held: _Held) -> Extent | str:
    """Return where the numbers of an array lie."""
    behind, file.at = file.at, held.at
    outer, axes = file.take(), file.take()
    if (outer.kind, outer.size, axes.kind) != ("list", 3, "list") or axes.size > 64:
        raise file.damaged()
    sizes = [file.take() for _ in range(axes.size)]
    kind, data = file.text(file.take()), file.take()
    if any(size.kind != "number" for size in sizes) or data.kind != "bytes" or file.at > behind:
        raise file.damaged()
    file.at = behind
    if kind not in TYPES:
        return f"of type {kind[:20]}"
    extent = Extent(file.path, data.at, TYPES[kind], tuple(size.size for size in sizes))
    if extent.nbytes != data.size:
        raise MalformedError(f"expected {extent.nbytes} bytes of an array in {file.path}, got {data.size}"[:300])
    return extent
