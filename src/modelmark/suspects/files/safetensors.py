"""The container safetensors: eight bytes of length, names and shapes in JSON, then the bytes of every tensor."""

from pathlib import Path
from typing import Any

import safetensors
from safetensors import SafetensorError

from modelmark.errors import MalformedError
from modelmark.suspects.files import kernels, unique
from modelmark.suspects.files.base import HEADER, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Extent, require_shape

_WHAT = "safetensors"
# types by their names in the container; others are of numbers that torch has not
TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu", "F4": "float4_e2m1fn_x2",
}  # fmt: skip


def is_safetensors(head: bytes) -> bool:
    """Return whether the first bytes are a length that a header can have, and a brace."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= HEADER


def opened(path: Path) -> WeightFile:
    """Return the file, mapped.

    Raises:
        MalformedError: truncated, damaged, or a name stands twice in it.
    """
    found = header(path)
    said = found.pop("__metadata__", {})
    require_names(path, found)
    try:
        with safetensors.safe_open(
            path, framework="numpy"
        ):  # the library says what is damaged; bfloat16 it cannot hand out
            pass
    except SafetensorError as error:
        raise MalformedError(f"expected {_WHAT} in {path}, got a damaged file: {error}"[:200]) from None
    metadata = said or {}  # of strings by strings, as the library has seen by now
    is_mlx = said is None or metadata.get("format") == "mlx"  # MLX alone writes null where there is none
    shapes = {name: tuple(entry["shape"]) for name, entry in found.items()}
    for name, shape in shapes.items():
        require_shape(path, name, shape)
    start = 8 + _length(path)
    turns = kernels.of_mlx(shapes) if is_mlx else kernels.of_flax(shapes)

    def read(name: str) -> Array:
        tensor = stored(name)
        return turns[name](tensor) if name in turns else tensor

    def stored(name: str) -> Array:
        kind, shape = TYPES.get(found[name]["dtype"], ""), shapes[name]
        if not kind or (kind == "float4_e2m1fn_x2" and (not shape or shape[-1] % 2)):
            raise MalformedError(f"expected {name} in {path} to be of a type that torch has, got another")
        if kind == "float4_e2m1fn_x2":
            shape = (*shape[:-1], shape[-1] // 2)
        return Extent(path, start + found[name]["data_offsets"][0], DTYPES[kind], shape).read()

    aliases = {name: kept for name, kept in metadata.items() if name not in shapes and kept in shapes}
    types = {name: str(entry["dtype"]) for name, entry in found.items()}
    return WeightFile(
        path, f"{_WHAT} of MLX" if is_mlx else _WHAT, shapes | {name: turn.shape for name, turn in turns.items()}, read,
        lambda: read, aliases=aliases, types=types, metadata=metadata, stored={name: shapes[name] for name in turns},
        rows=frozenset(turns), called=lambda name: kernels.called(turns, name),
    )  # fmt: skip


def _length(path: Path) -> int:
    with path.open("rb") as stream:
        return int.from_bytes(stream.read(8), "little")


def header(path: Path) -> dict[str, Any]:
    """Return what the header says of every tensor, and ``__metadata__`` where there is any.

    Raises:
        MalformedError: truncated or damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        raw = stream.read(length)
    try:
        found = unique.parsed(raw, path)
        ends = [entry["data_offsets"][1] for name, entry in found.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        if size < 8 + length:
            found, whole = {}, 8 + length
        else:
            raise MalformedError(f"expected {_WHAT} in {path}, got a damaged header") from None
    if size < whole:
        raise MalformedError(
            f"expected {_WHAT} of {whole} bytes in {path}, got the first {size}",
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        )
    return found
