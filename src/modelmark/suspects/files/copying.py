"""A copy of safetensors files in which some tensors are changed in place; every other byte is the original's."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.errors import MalformedError, UsageError
from modelmark.suspects.files import safetensors, shards

TYPES = {"F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16"}
"""Types of the container that hold real numbers, as they are called here; others are copied and never changed."""
_STORED: dict[str, np.dtype[Any]] = {
    "f64": np.dtype("<f8"),
    "f32": np.dtype("<f4"),
    "f16": np.dtype("<f2"),
    "bf16": np.dtype("<u2"),
}


@dataclass(frozen=True)
class Stored:
    """Where the numbers of one tensor lie.

    Args:
        path: of the file.
        offset: of the first byte.
        kind: ``f64``, ``f32``, ``f16``, ``bf16``; empty for any other type.
        shape: of the tensor.
    """

    path: Path
    offset: int
    kind: str
    shape: tuple[int, ...]

    def mapped(self) -> npt.NDArray[np.generic]:
        """Return the numbers, mapped for writing; ``bf16`` as uint16."""
        mapped: npt.NDArray[np.generic] = np.memmap(
            self.path, dtype=_STORED[self.kind], mode="r+", offset=self.offset, shape=self.shape
        )
        return mapped


def tensors(path: Path) -> dict[str, Stored]:
    """Return where every tensor of a safetensors file lies.

    Raises:
        MalformedError: truncated or damaged, or another kind of file.
    """
    with path.open("rb") as stream:
        length = stream.read(9)
    if not safetensors.is_safetensors(length):
        raise MalformedError(f"expected safetensors in {path}, got another kind of file")
    header, start = safetensors.header(path), 8 + int.from_bytes(length[:8], "little")
    return {
        name: Stored(path, start + entry["data_offsets"][0], TYPES.get(entry["dtype"], ""), tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


def parts(path: Path) -> list[Path]:
    """Return the weight files of a network: the file itself, or the shards of an index or a folder."""
    if path.is_dir():
        found, listed = shards.inside(path, _is_safetensors)
        return sorted({path / shard for shard in listed.values()}) if listed else [found]
    if shards.is_index(_head(path)):
        return sorted({path.parent / shard for shard in shards.listed(path).values()})
    return [path]


@contextlib.contextmanager
def copied(source: Path, output: Path) -> Iterator[Mapping[str, Stored]]:
    """Give the tensors of a copy, which gets its name when the block ends well; of a folder, or an index's, all files are copied.

    Args:
        source: a safetensors file, the index of shards, or a folder that holds either.
        output: a file, or the folder of what comes in shards; must not exist.

    Raises:
        OutputExistsError: ``output`` exists.
        UsageError: it cannot be written, or the disk is full; nothing is left behind.
        MalformedError: what is copied is no safetensors.
    """
    files.require_absent(output)
    shard = parts(source)
    folder = source if source.is_dir() else source.parent
    whole = source.is_dir() or shard != [source]
    try:
        scratch = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    except OSError as error:
        raise UsageError(f"expected to write {output}, got: {error.strerror or error}") from error
    new = scratch / output.name
    try:
        if whole:
            shutil.copytree(folder, new)
        else:
            shutil.copyfile(source, new)
        found: dict[str, Stored] = {}
        for each in shard:
            found |= tensors(new / each.relative_to(folder) if whole else new)
        yield found
        _named(new, output)
    except OSError as error:
        raise UsageError(f"expected to write {output}, got: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _named(new: Path, output: Path) -> None:
    """Give a finished copy its name, unless the name is taken by now."""
    if new.is_dir():
        files.require_absent(output)
        os.rename(new, output)
        return
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.chmod(0o644)
    files.link(new, output)


def _is_safetensors(path: Path) -> bool:
    return safetensors.is_safetensors(_head(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4096)
    except OSError as error:
        raise MalformedError(f"expected a weight file at {path}, cannot read it: {error.strerror}") from None
