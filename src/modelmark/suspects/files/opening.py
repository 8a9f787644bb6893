"""Opening weights of any kind; the first bytes tell the kind, never the name's ending."""

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.errors import MalformedError
from modelmark.suspects.files import adapters, distributed, quantisers, safetensors, shards, sliced
from modelmark.suspects.files.base import LIMIT, Reader, WeightFile

if TYPE_CHECKING:
    from modelmark.suspects.files.kinds import Kind, Opener

_HEAD = 4096  # bytes looked at
_READ = "docs/formats.md lists the formats that are read"


def open_weights(path: Path | str, base: Path | None = None) -> WeightFile:
    """Open a weight file, the index of one in shards, or a folder that holds either; its tensors are not read yet.

    Weights that a quantiser packed are there under their usual names, an adapter is merged into its base.

    Args:
        path: of any of them.
        base: the network that an adapter belongs to; left out: the folder that the adapter names, if it is here.

    Raises:
        MalformedError: missing, truncated, or not weights; the message says what it is.
    """
    path = Path(path)
    if (config := adapters.config_beside(path)) is not None:
        return adapters.opened(config, base, _whole)
    if base is not None:
        raise MalformedError(f"expected an adapter in {path}, as there is a base, got none", hint="leave out --base")
    return _whole(path)


def _whole(path: Path) -> WeightFile:
    if path.name == distributed.NAME and path.is_file():
        path = path.parent
    if (path / distributed.NAME).is_file():
        return quantisers.undone(distributed.opened(path), path)
    if not path.is_dir():
        return quantisers.undone(sliced.alone(_opened(path)), path.parent)
    from modelmark.suspects.files import coreml, orbax  # which a file alone does not need

    if (model := coreml.model_in(path)) is not None:
        return _opened(model)
    if (item := orbax.item_in(path)) is not None:
        return orbax.opened(item)
    if cut := sliced.parts(path):
        return quantisers.undone(sliced.opened(path, cut, _file), path)
    inner, parts = shards.inside(path, _is_of_torch, is_weights)
    return quantisers.undone(shards.joined(inner, parts, _file) if parts else _opened(inner), path)


def _opened(path: Path) -> WeightFile:
    head = _head(path)
    if shards.is_index(head):
        return shards.joined(path, shards.listed(path), _file)
    return _file(path, head)


def _file(path: Path, head: bytes = b"") -> WeightFile:
    head = head or _head(path)
    if safetensors.is_safetensors(head):  # the readers of the others take longer to import than a layer to read
        return _unchanging(path, safetensors.opened)
    from modelmark.suspects.files import foreign, kinds

    for is_kind, opener in kinds.KINDS:
        if is_kind(head):
            return _unchanging(path, opener)
    what, hint = foreign.named(head)
    raise MalformedError(f"expected weights in {path}, got {what}", hint=hint or _READ)


def _unchanging(path: Path, opener: "Opener") -> WeightFile:
    def identity() -> tuple[int, int, int]:
        status = path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def again() -> Reader:
        if identity() != first:
            raise MalformedError(f"expected {path} to stay as it is, it was changed while it was read")
        return file.again()

    first = identity()
    file = opener(path)
    return replace(file, again=again)


def is_weights(path: Path) -> bool:
    """Return whether the first bytes of a file are those of weights that are read."""
    from modelmark.suspects.files import kinds

    return _begins(path, kinds.KINDS)


def _is_of_torch(path: Path) -> bool:
    """Return whether they are those of what trainers in torch write; arrays of other kinds may lie beside that."""
    from modelmark.suspects.files import archives, kinds

    return _begins(path, kinds.KINDS[: kinds.OF_TORCH]) and (
        not archives.is_zip(_begin(path)) or archives.is_of_torch(path)
    )


def _begins(path: Path, kinds: "Sequence[Kind]") -> bool:
    head = _begin(path)
    return any(is_kind(head) for is_kind, _ in kinds)


def _begin(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD)


def _head(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MalformedError(f"expected a weight file at {path}, got something that is not a file")
        if status.st_size > LIMIT:
            raise MalformedError(f"expected a weight file of at most {LIMIT} bytes at {path}, got {status.st_size}")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except FileNotFoundError:
        raise MalformedError(f"expected a weight file at {path}, found none") from None
    except OSError as error:
        raise MalformedError(f"expected a weight file at {path}, cannot read it: {error.strerror}") from None
    if not head:
        raise MalformedError(f"expected a weight file at {path}, got an empty file")
    return head
