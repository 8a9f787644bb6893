"""The container safetensors: eight bytes of length, names and shapes in JSON, then the bytes of every tensor."""

from pathlib import Path
from typing import Any

import safetensors
from safetensors import SafetensorError
from torch import Tensor

from modelmark.errors import MalformedError
from modelmark.suspects.files import unique
from modelmark.suspects.files.base import HEADER, Reader, WeightFile, require_names

_WHAT = "safetensors"


def is_safetensors(head: bytes) -> bool:
    """Return whether the first bytes are a length that a header can have, and a brace."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= HEADER


def opened(path: Path) -> WeightFile:
    """Return the file, mapped.

    Raises:
        MalformedError: truncated, damaged, or a name stands twice in it.
    """
    found = header(path)
    metadata = found.pop("__metadata__", {})
    require_names(path, found)
    try:
        read = _mapped(path)
    except SafetensorError as error:
        raise MalformedError(f"expected {_WHAT} in {path}, got a damaged file: {error}"[:200]) from None
    shapes = {name: tuple(entry["shape"]) for name, entry in found.items()}
    aliases = {name: kept for name, kept in metadata.items() if name not in shapes and kept in shapes}
    types = {name: str(entry["dtype"]) for name, entry in found.items()}
    return WeightFile(path, _WHAT, shapes, read, lambda: _mapped(path), aliases=aliases, types=types, metadata=metadata)


def _mapped(path: Path) -> Reader:
    file = safetensors.safe_open(path, framework="pt")

    def read(name: str) -> Tensor:
        try:
            return file.get_tensor(name)
        except (SafetensorError, KeyError, AttributeError):
            raise MalformedError(f"expected {name} in {path} to be of a type that torch has, got another") from None

    return read


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
