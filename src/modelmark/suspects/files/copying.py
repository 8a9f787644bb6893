"""A copy of safetensors files in which some tensors are changed in place; every other byte is the original's."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.errors import MalformedError, UsageError
from modelmark.suspects.files import gathering, safetensors, shards

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


@dataclass(frozen=True)
class Plan:
    """What is copied where; nothing is written yet.

    Args:
        source: a file, or a folder.
        output: what its copy is called.
        files: below ``source`` if that is a folder, else empty.
        held: where every tensor lies in the source.
    """

    source: Path
    output: Path
    files: tuple[Path, ...]
    held: Mapping[str, Stored]


def planned(source: Path, output: Path, is_confidential: Callable[[Path], bool]) -> Plan:
    """Look at what is to be copied; of a folder, or of an index's, that is what ``gathering.gathered`` says.

    Args:
        source: a safetensors file, the index of shards, or a folder that holds either.
        output: a file, or the folder of what comes in shards; must not exist.
        is_confidential: says of a file beside the weights whether it is its owner's alone.

    Raises:
        OutputExistsError: ``output`` exists.
        UsageError: it cannot be written or lies in the folder that is copied, or that holds what may not go along.
        MalformedError: the weights are no safetensors.
    """
    files.require_absent(output)
    marked = parts(source)
    folder = source if source.is_dir() else source.parent
    whole = source.is_dir() or marked != [source]
    if whole and output.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"expected an output outside the folder that is copied, got {output}", hint="name one beside that folder"
        )
    gathered = gathering.gathered(folder, marked, is_confidential) if whole else []
    held = {name: stored for each in marked for name, stored in tensors(each).items()}
    return Plan(folder if whole else source, output, tuple(gathered), held)


@contextlib.contextmanager
def unnamed(output: Path) -> Iterator[Path]:
    """Give a path beside an output, for a file or a folder that gets its name when the block ends well.

    Raises:
        OutputExistsError: the output exists.
        UsageError: it cannot be written, or the disk is full; nothing is left behind.
    """
    files.require_absent(output)
    try:
        scratch = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    except OSError as error:
        raise UsageError(f"expected to write {output}, got: {error.strerror or error}") from error
    try:
        yield scratch / output.name
        _named(scratch / output.name, output)
    except OSError as error:
        raise UsageError(f"expected to write {output}, got: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def copied(plan: Plan) -> Iterator[Mapping[str, Stored]]:
    """Give the tensors of a copy, which gets its name when the block ends well; see ``unnamed``."""
    with unnamed(plan.output) as new:
        if plan.files:
            _folder(plan.source, new)
        for each in plan.files:
            for above in reversed(each.parents[:-1]):
                _folder(plan.source / above, new / above)
        made = [(plan.source / each, new / each) for each in plan.files] or [(plan.source, new)]
        for old, copy in made:
            _file(old, copy)
        yield {
            name: replace(stored, path=new / stored.path.relative_to(plan.source)) for name, stored in plan.held.items()
        }
        for old, copy in made:
            copy.chmod(stat.S_IMODE(copy.stat().st_mode) & old.stat().st_mode)


def _folder(old: Path, new: Path) -> None:
    """Make a folder with the mode of another, less what the umask takes, that can be written."""
    if not new.is_dir():
        new.mkdir(mode=stat.S_IMODE(old.stat().st_mode) & 0o777 | 0o700)


def _file(old: Path, new: Path) -> None:
    """Copy a file with its mode, less what the umask takes; its owner may write as long as it has no name."""
    mode = stat.S_IMODE(old.stat().st_mode) & 0o777
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode | 0o600))
    shutil.copyfile(old, new)


def _named(new: Path, output: Path) -> None:
    """Give a finished copy its name, unless the name is taken by now."""
    if new.is_dir():
        files.require_absent(output)
        os.rename(new, output)
        return
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    files.link(new, output)


def _is_safetensors(path: Path) -> bool:
    return safetensors.is_safetensors(_head(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4096)
    except OSError as error:
        raise MalformedError(f"expected a weight file at {path}, cannot read it: {error.strerror}") from None
