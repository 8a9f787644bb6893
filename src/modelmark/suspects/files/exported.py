"""What ``torch.export.save`` writes: raw numbers, and JSON that says of each tensor where, of what type and by which strides.

Nothing is unpickled. Read as torch 2.13 writes it; its types are numbered by its own schema, which is not torch's ``ScalarType``.
"""

import re
from pathlib import Path
from typing import Any

from modelmark.errors import MalformedError
from modelmark.suspects.files import unique, zips
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array, called
from modelmark.suspects.files.mapped import Extent, require_within

_WHAT = "torch.export archive"
_CONFIG = re.compile(r"(.*/data/(?:weights|constants)/)(.+)_(?:weights|constants)_config\.json")
# torch/_export/serde/schema.py, ScalarType
TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16",
    28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2",
}  # fmt: skip


def opened(path: Path, members: zips.Listing) -> WeightFile:
    """Return the weights and constants by their names in the network, mapped.

    Raises:
        MalformedError: damaged, or with numbers that do not lie in the archive.
    """
    configs = {name: match for name in members if (match := _CONFIG.fullmatch(name))}
    several = len({match[2] for match in configs.values()}) > 1
    extents: dict[str, Extent] = {}
    unreadable: dict[str, str] = {}
    for name, match in configs.items():
        listed = _parsed(path, zips.content(path, members[name]))
        require_names(path, listed)
        for key, entry in listed.items():
            whole = f"{match[2]}.{key}" if several else key
            if whole in extents or whole in unreadable:
                raise MalformedError(f"expected every name once in {path}, got {whole!r} twice"[:300])
            try:
                extent = _extent(path, members, match[1], entry)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise MalformedError(f"expected where {whole} lies in {path}, got something else"[:300]) from None
            if isinstance(extent, str):
                unreadable[whole] = extent
            else:
                extents[whole] = extent
    require_within(path, extents)

    def read(name: str) -> Array:
        return extents[name].read()

    return WeightFile(
        path, _WHAT, {name: extent.shape for name, extent in extents.items()}, read, lambda: read,
        unreadable=unreadable, types={name: called(extent.dtype) for name, extent in extents.items()},
        in_order=True,
    )  # fmt: skip


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        found = unique.parsed(raw, path)["config"]
        if not isinstance(found, dict):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise MalformedError(
            f"expected names and shapes as torch.export writes them in {path}, got something else"
        ) from None
    return found


def _extent(path: Path, members: zips.Listing, folder: str, entry: Any) -> Extent | str:
    """Return where a tensor lies, or why it cannot be read."""
    if entry["use_pickle"] or entry["tensor_meta"] is None:
        return "pickled"
    meta = entry["tensor_meta"]
    if meta["dtype"] not in TYPES:
        return f"of type {meta['dtype']}, which is not known here"
    shape, strides = (tuple(_integer(size["as_int"]) for size in meta[name]) for name in ("sizes", "strides"))
    dtype, member = DTYPES[TYPES[meta["dtype"]]], members[folder + entry["path_name"]]
    begin = _integer(meta["storage_offset"]["as_int"]) * dtype.itemsize
    extent = Extent(path, zips.place(path, member) + begin, dtype, shape, strides)
    if extent.is_expanded:
        return "expanded from fewer values"
    if begin + extent.nbytes > member.file_size:
        raise MalformedError(
            f"expected {begin + extent.nbytes} bytes in {member.filename} of {path}, it has {member.file_size}"[:300]
        )
    return extent


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise ValueError
    return value
