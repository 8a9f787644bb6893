"""Distributed checkpoints of torch: ``.metadata`` says which piece of which tensor lies where, each an archive of its own.

Read as torch 2.13 writes them, with no process group: of the pickles only their words are taken (see ``pickled``). Pieces of one
tensor are put together; a tensor of which a part is nowhere is refused, for its filters would be those of one process.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files import pickled, zips
from modelmark.suspects.files.base import HEADER, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Extent, Shape, remembering, require_shape, require_together
from modelmark.suspects.files.pieces import CUT_OFF, Whole, pieced

NAME = ".metadata"
_WHAT = "distributed checkpoint of torch"
_ASIDE = re.compile(r"(?:optim\w*|lr_sched\w*|sched\w*|dataloader\w*|train_state)\.")
_MOST = 2**14  # pieces of one tensor


@dataclass(frozen=True)
class _Piece:
    """A block of a tensor, and the archive that holds it."""

    begin: Shape
    shape: Shape
    path: Path
    offset: int
    length: int
    dtype: np.dtype[Any]

    def read(self) -> Array:
        """Return the block.

        Raises:
            MalformedError: the archive holds something else.
        """
        members = zips.listing(self.path, self.offset, self.length)
        top = next((name for name in members if name.endswith("/data.pkl")), "")
        where = f"at byte {self.offset} of {self.path}"
        if not top:
            raise MalformedError(f"expected a piece of a tensor {where}, got another archive")
        order = members.get(top.replace("data.pkl", "byteorder"))
        if order is not None and zips.content(self.path, order, 16).strip() != b"little":
            raise MalformedError(f"expected numbers with the lowest byte first {where}, got another order")
        found = pickled.described(zips.content(self.path, members[top], HEADER), self.path)
        member = members.get(top.replace("data.pkl", f"data/{getattr(found, 'key', '')}"))
        if (
            not isinstance(found, pickled.Described)
            or member is None
            or found.shape != self.shape
            or found.dtype != self.dtype
        ):
            raise MalformedError(f"expected a piece of shape {self.shape} {where}, got something else")
        begin = found.offset * self.dtype.itemsize
        extent = Extent(self.path, zips.place(self.path, member) + begin, self.dtype, found.shape, found.strides)
        if extent.is_expanded or begin + extent.nbytes > member.file_size:
            raise MalformedError(f"expected all numbers of a piece {where}, got fewer")
        return extent.read()


def opened(folder: Path) -> WeightFile:
    """Return the tensors by their names, optimisers left aside.

    Raises:
        MalformedError: damaged, a file is missing, or a piece lies outside of the folder.
    """
    path = folder / NAME
    if path.stat().st_size > HEADER:
        raise MalformedError(f"expected names and places of at most {HEADER} bytes in {path}, got more")
    top = pickled.described(path.read_bytes(), path)
    listed, stored = _field(path, top, "state_dict_metadata"), _field(path, top, "storage_data")
    if not isinstance(listed, dict) or not isinstance(stored, dict):
        raise _damaged(path)
    require_names(path, [str(name) for name in listed])
    places = dict(_places(path, stored))
    found: dict[str, Whole] = {}
    unreadable: dict[str, str] = {}
    aside: dict[str, None] = {}
    sizes: dict[Path, int] = {}
    has_more = any(not _ASIDE.match(str(name)) for name in listed)
    for name, entry in listed.items():
        if not isinstance(name, str):
            raise _damaged(path)
        if has_more and _ASIDE.match(name):
            aside[name.partition(".")[0]] = None
        elif isinstance(entry, pickled.Object) and "chunks" in entry.attributes:
            whole = _whole(path, name, entry, places, sizes)
            if isinstance(whole, str):
                unreadable[name] = whole
            else:
                found[name] = whole
    if not found:
        raise MalformedError(f"expected tensors in the {_WHAT} {folder}, got none")
    require_together(path, (prod(whole.shape) * whole.dtype.itemsize for whole in found.values()))
    read = remembering(lambda name: found[name].read())
    what = f"{_WHAT}, {counted(len(sizes), 'file')}"
    notes = (f"left aside: {', '.join(aside)}"[:200],) if aside else ()
    return WeightFile(
        folder, what, {name: whole.shape for name, whole in found.items()}, read, lambda: read, notes=notes,
        unreadable=unreadable, types={name: str(whole.dtype) for name, whole in found.items()}, in_order=True,
    )  # fmt: skip


def _places(path: Path, stored: dict[Any, Any]) -> Iterator[tuple[tuple[str, Shape], tuple[Path, int, int, bool]]]:
    """Yield name and beginning of each piece with its file, offset, length, and whether it is packed."""
    for index, info in stored.items():
        if not isinstance(index, pickled.Object) or not isinstance(info, pickled.Object):
            raise _damaged(path)
        begin = index.attributes.get("offset")
        if begin is None:
            continue  # no tensor
        name, file = _field(path, index, "fqn"), _field(path, info, "relative_path")
        offset, length = _field(path, info, "offset"), _field(path, info, "length")
        whole = all(type(number) is int and 0 <= number < 2**48 for number in (offset, length))
        if not isinstance(name, str) or not isinstance(file, str) or not whole:
            raise _damaged(path)
        if file in ("", ".", "..") or "/" in file or "\\" in file or "\0" in file:
            raise MalformedError(f"expected the files of {path} beside it, got one at {file!a}"[:300])
        yield (
            (name, _shape(path, name, begin)),
            (path.parent / file, offset, length, bool(info.attributes.get("transform_descriptors"))),
        )


def _whole(
    path: Path, name: str, entry: pickled.Object, places: dict[tuple[str, Shape], tuple[Path, int, int, bool]],
    sizes: dict[Path, int],
) -> Whole | str:  # fmt: skip
    """Return where a tensor lies, or why it is not read."""
    shape = _shape(path, name, _field(path, entry, "size"))
    settings = _field(path, _field(path, entry, "properties"), "state")
    dtype = settings[0].name.removeprefix("torch ") if settings and isinstance(settings[0], pickled.Named) else ""
    if dtype not in DTYPES or DTYPES[dtype].names:
        return f"of type {dtype[:40]!a}"
    chunks = _field(path, entry, "chunks")
    if not isinstance(chunks, list) or len(chunks) > _MOST:
        raise _damaged(path)
    pieces = []
    for chunk in chunks:
        begin, part = (_shape(path, name, _field(path, chunk, key)) for key in ("offsets", "sizes"))
        place = places.get((name, begin))
        if place is None:
            raise MalformedError(f"expected the piece of {name!a} at {begin} by {path}, found none"[:300], hint=CUT_OFF)
        file, offset, length, is_packed = place
        if is_packed:
            return "packed by a stream transform"
        if file not in sizes:
            sizes[file] = file.stat().st_size if file.is_file() else -1
        if offset + length > sizes[file]:
            got = "none" if sizes[file] < 0 else f"one of {sizes[file]} bytes"
            raise MalformedError(f"expected {file} of {offset + length} bytes or more, found {got}"[:300], hint=CUT_OFF)
        pieces.append(_Piece(begin, part, file, offset, length, DTYPES[dtype]))
    return pieced(path, name, shape, DTYPES[dtype], pieces)


def _field(path: Path, value: object, name: str) -> Any:
    if not isinstance(value, pickled.Object) or name not in value.attributes:
        raise _damaged(path)
    return value.attributes[name]


def _shape(path: Path, name: str, value: object) -> Shape:
    if not isinstance(value, tuple) or not all(type(size) is int for size in value):
        raise _damaged(path)
    require_shape(path, name, value)
    return value


def _damaged(path: Path) -> MalformedError:
    return MalformedError(
        f"expected names and places as torch.distributed.checkpoint writes them in {path}, got something else"
    )
