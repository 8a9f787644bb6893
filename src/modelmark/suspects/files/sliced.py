"""Safetensors of several processes: each file has a block of every tensor, and says at which entry that begins.

So writes ``HuggingFaceStorageWriter(save_distributed=True)`` of torch 2.13: ``shard-00001-model-00001-of-00001.safetensors``.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Shape, remembering, require_shape, require_together
from modelmark.suspects.files.pieces import Whole, pieced
from modelmark.suspects.files.safetensors import TYPES

_KEY = "DCP_SHARDING_INFO"
_NAMED = re.compile(r"shard-\d{1,9}-model-\d{1,9}-of-\d{1,9}\.safetensors")
_FILES = 10_000


@dataclass(frozen=True)
class _Block:
    """A tensor of one file."""

    begin: Shape
    shape: Shape
    read: Callable[[], Array]


def parts(folder: Path) -> list[Path]:
    """Return the files of a folder that hold blocks."""
    return sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))


def alone(file: WeightFile) -> WeightFile:
    """Return a file that is one of several with a note that it holds blocks alone; any other as it is."""
    note = "a shard of one process: of each layer it holds some of the filters; give the folder of all"
    return replace(file, notes=(*file.notes, note)) if _KEY in file.metadata else file


def opened(folder: Path, paths: list[Path], opener: Callable[[Path], WeightFile]) -> WeightFile:
    """Return the tensors of all files, blocks put together. How many files there should be is nowhere said.

    Args:
        folder: that they are in.
        paths: of them.
        opener: of one.

    Raises:
        MalformedError: a file is damaged, or does not say where its blocks begin, or a block is missing.
    """
    if len(paths) > _FILES:
        raise MalformedError(f"expected at most {_FILES} files of one network in {folder}, got {len(paths)}")
    blocks: dict[str, list[_Block]] = {}
    types: dict[str, str] = {}
    for file in map(opener, paths):
        begins = _begins(file)
        for name, shape in file.shapes.items():
            begin = begins.get(name, (0,) * len(shape))
            if types.setdefault(name, file.types[name]) != file.types[name] or file.types[name] not in TYPES:
                raise MalformedError(f"expected one type of {name[:100]!a} in {folder}, got {file.types[name]}, too")
            blocks.setdefault(name, []).append(_Block(begin, shape, partial(file.read, name)))
    require_names(folder, blocks)
    found: dict[str, Whole] = {}
    for name, theirs in blocks.items():
        if any(len(block.begin) != len(block.shape) for block in theirs) or len({len(one.shape) for one in theirs}) > 1:
            raise MalformedError(f"expected blocks of one number of axes of {name[:100]!a} in {folder}, got others")
        ends = [map(sum, zip(block.begin, block.shape, strict=True)) for block in theirs]
        shape = tuple(map(max, zip(*ends, strict=True)))
        require_shape(folder, name, shape)
        found[name] = pieced(folder, name, shape, DTYPES[TYPES[types[name]]], theirs)
    require_together(folder, (prod(whole.shape) * whole.dtype.itemsize for whole in found.values()))
    read = remembering(lambda name: found[name].read())
    return WeightFile(
        folder, f"{counted(len(paths), 'shard')} of safetensors, cut by process",
        {name: one.shape for name, one in found.items()}, read, lambda: read, types=types,
    )  # fmt: skip


def _begins(file: WeightFile) -> dict[str, Shape]:
    """Return where the block of each tensor begins; one that is not named begins at the first entry."""
    try:
        found = json.loads(file.metadata[_KEY])
        begins = {name: tuple(entry["saved_offsets"]) for name, entry in found.items()}
        if not all(type(size) is int and 0 <= size < 2**48 for begin in begins.values() for size in begin):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MalformedError(f"expected {_KEY} in {file.path}, got something else") from None
    return begins
