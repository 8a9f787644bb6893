"""Arrays of NumPy: one in a file, or several in an archive; those that are pickled are not read."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files import kernels, zips
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array, called
from modelmark.suspects.files.mapped import Extent, Shape, remembering, require_together, require_within

MAGIC = b"\x93NUMPY"
_HEADER = 2**14
_PACKED = 64  # times that an array of more than 16 MB may be packed


def is_npy(head: bytes) -> bool:
    """Return whether the first bytes are those of an array."""
    return head.startswith(MAGIC)


def opened(path: Path) -> WeightFile:
    """Return the array of a file, under the file's name."""
    with path.open("rb") as stream:
        found = _described(path, stream.read(_HEADER))
    if isinstance(found, str):
        raise MalformedError(f"expected an array of numbers in {path}, got one {found}")
    return _file(path, "NumPy array", {path.stem: _extent(path, 0, *found)}, {}, {})


def opened_archive(path: Path, members: zips.Listing) -> WeightFile:
    """Return the arrays of an archive, those that are packed unpacked when they are asked for.

    Raises:
        MalformedError: damaged, or an array that is another size than it says.
    """
    extents: dict[str, Extent] = {}
    packed: dict[str, tuple[zipfile.ZipInfo, Extent]] = {}
    unreadable: dict[str, str] = {}
    for member in (found for name, found in members.items() if name.endswith(".npy")):
        name = member.filename.removesuffix(".npy")
        found = _described(path, _begin(path, member))
        is_bomb = member.file_size > 2**24 and member.file_size > _PACKED * member.compress_size
        if isinstance(found, str) or is_bomb:
            unreadable[name] = found if isinstance(found, str) else f"packed more than {_PACKED} times"
            continue
        begin, dtype, shape, is_fortran = found
        extent = _extent(path, 0, begin, dtype, shape, is_fortran)
        if begin + extent.nbytes != member.file_size:
            raise MalformedError(
                f"expected {begin + extent.nbytes} bytes of {name} in {path}, got {member.file_size}"[:300]
            )
        if member.compress_type == zipfile.ZIP_STORED:
            extents[name] = _extent(path, zips.place(path, member), *found)
        else:
            packed[name] = member, extent
    return _file(path, "NumPy archive", extents, packed, unreadable)


def _file(
    path: Path,
    what: str,
    extents: dict[str, Extent],
    packed: dict[str, tuple[zipfile.ZipInfo, Extent]],
    unreadable: dict[str, str],
) -> WeightFile:
    require_within(path, extents)
    all_ = extents | {name: extent for name, (_, extent) in packed.items()}
    require_names(path, all_)
    require_together(path, (extent.nbytes for extent in all_.values()))

    def read(name: str) -> Array:
        return extents[name].read() if name in extents else _unpacked(path, *packed[name])

    shapes = {name: extent.shape for name, extent in all_.items()}
    turns = kernels.of_flax(shapes)
    reader = remembering(read) if packed else read
    turned = (lambda name: turns[name](reader(name)) if name in turns else reader(name)) if turns else reader
    return WeightFile(
        path, what, shapes | {name: turn.shape for name, turn in turns.items()}, turned, lambda: turned,
        unreadable=unreadable, types={name: called(extent.dtype) for name, extent in all_.items()},
        stored={name: shapes[name] for name in turns}, rows=frozenset(turns), in_order=True,
        called=lambda name: kernels.called(turns, name),
    )  # fmt: skip


def _described(path: Path, head: bytes) -> tuple[int, np.dtype[Any], Shape, bool] | str:
    """Return where numbers begin, their type, the shape, and whether columns stand together; or why it is not read."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, kind = reader(stream, max_header_size=_HEADER)
        if kind.hasobject or kind.byteorder == ">" or kind.kind not in "fiubc":
            return f"of type {kind}"
        dtype = DTYPES[called(kind)]
    except Exception:  # whatever is made of a damaged one
        raise MalformedError(f"expected an array of NumPy in {path}, got a damaged one") from None
    return stream.tell(), dtype, tuple(map(int, shape)), bool(is_fortran)


def _extent(path: Path, start: int, begin: int, dtype: np.dtype[Any], shape: Shape, is_fortran: bool) -> Extent:
    strides = tuple(math.prod(shape[:axis]) for axis in range(len(shape))) if is_fortran else None
    return Extent(path, start + begin, dtype, shape, strides)


def _begin(path: Path, member: zipfile.ZipInfo) -> bytes:
    return _read(path, member, _HEADER)


def _unpacked(path: Path, member: zipfile.ZipInfo, extent: Extent) -> Array:
    raw = bytearray(_read(path, member, extent.offset + extent.nbytes))
    if not extent.nbytes:
        return np.empty(extent.shape, extent.dtype)
    if len(raw) != extent.offset + extent.nbytes:
        raise MalformedError(f"expected all of {member.filename} in {path}, got {len(raw)} bytes"[:300])
    flat = np.frombuffer(raw, extent.dtype, extent.count, extent.offset)
    return extent.laid(flat.copy() if extent.offset % extent.dtype.itemsize else flat)


def _read(path: Path, member: zipfile.ZipInfo, count: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            return stream.read(count)
    except Exception as error:  # whatever is made of a damaged one
        raise MalformedError(f"expected {member.filename} in {path}, got a damaged one: {error}"[:300]) from None
