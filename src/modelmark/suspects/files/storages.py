"""Tensors that the pickles of an archive describe, by where their numbers lie in it; nothing is unpickled."""

from collections.abc import Iterable
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.suspects.files import pickled, zips
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import Array, called
from modelmark.suspects.files.mapped import Extent, require_within


def opened(path: Path, members: zips.Listing, what: str, top: str, parts: Iterable[tuple[str, str, str]]) -> WeightFile:
    """Return the tensors by the attributes and names that lead to them, mapped.

    Args:
        path: of the archive.
        members: of it.
        what: the container, in words.
        top: folder in the archive.
        parts: of a pickle, the folder of its storages, and what stands before its names.

    Raises:
        MalformedError: damaged, in another order of bytes, or with numbers that do not lie in the archive.
    """
    order = members.get(f"{top}byteorder")
    if order is not None and zips.content(path, order, 16).strip() != b"little":
        raise MalformedError(f"expected numbers with the lowest byte first in {path}, got another order")
    extents: dict[str, Extent] = {}
    unreadable: dict[str, str] = {}
    for pickle, folder, prefix in parts:
        if top + pickle not in members:
            continue
        raw = zips.content(path, members[top + pickle])
        for name, tensor in pickled.tensors(pickled.described(raw, path)):
            member = members.get(f"{top}{folder}{tensor.key}")
            if member is None:
                raise MalformedError(f"expected the numbers of {name} in {path}, found none"[:300])
            begin = tensor.offset * tensor.dtype.itemsize
            extent = Extent(path, zips.place(path, member) + begin, tensor.dtype, tensor.shape, tensor.strides)
            if extent.is_expanded:
                unreadable[prefix + name] = "expanded from fewer values"
                continue
            if begin + extent.nbytes > member.file_size:
                raise MalformedError(
                    f"expected all numbers of {name} in {member.filename} of {path}, it is shorter"[:300]
                )
            extents[prefix + name] = extent
    require_names(path, extents)
    if not extents:
        raise MalformedError(f"expected tensors in the {what} archive {path}, got none")
    require_within(path, extents)

    def read(name: str) -> Array:
        return extents[name].read()

    types = {name: called(extent.dtype) for name, extent in extents.items()}
    shapes = {name: extent.shape for name, extent in extents.items()}
    return WeightFile(path, what, shapes, read, lambda: read, unreadable=unreadable, types=types, in_order=True)
