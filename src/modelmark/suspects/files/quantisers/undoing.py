"""A file as it would be if nothing had been packed: which quantisers' parts are in it, and the layers in their place."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files import unique
from modelmark.suspects.files.base import Reader, WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import remembering, require_together
from modelmark.suspects.files.quantisers import awq, bitsandbytes, compressed, gptq, mlx, mxfp4, rotated, scales
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts

# how the names end that tell of a packed weight, and what makes a layer of it, or None
QUANTISERS: tuple[tuple[tuple[str, ...], Callable[[Parts, Config, str, str], Layer | None]], ...] = tuple(
    (one.ENDINGS, one.layer) for one in (bitsandbytes, gptq, awq, compressed, mxfp4, scales, mlx)
)
_CONFIGS = (
    ("config.json", "quantization_config"),
    ("config.json", "quantization"),  # MLX
    ("quantize_config.json", ""),
    ("quant_config.json", ""),
)
_MOST = 2**24  # bytes of a configuration
_NOTED = 3  # layers that cannot be unpacked, in notes


def undone(file: WeightFile, folder: Path) -> WeightFile:
    """Return the file with layers under their usual names in place of the parts that quantisers left; else the same file.

    Parts that do not go together stay as they are, with a note.

    Args:
        file: that is open.
        folder: where its ``config.json`` lies, if there is one.

    Raises:
        MalformedError: more bytes of weights than ``LIMIT``.
    """
    made = _unpacked(file, folder)
    return rotated.undone(made, _config(folder)) if _mentions(folder / "config.json", rotated.WORD) else made


def _unpacked(file: WeightFile, folder: Path) -> WeightFile:
    signs = [(ending, layer) for endings, layer in QUANTISERS for ending in endings]
    if not any(name.endswith(ending) for name in file.shapes for ending, _ in signs):
        return file
    parts, config = Parts(file), _config(folder)
    made: dict[str, Layer] = {}
    notes: list[str] = []
    unreadable: dict[str, str] = {}
    for ending, maker in signs:
        for path, name in parts.ending(ending):
            try:
                layer = maker(parts, config, path, name)
            except MalformedError as error:
                unreadable[path] = str(error)
                continue
            if layer is None:
                continue
            is_twice = layer.name in made or (layer.name in file.shapes and layer.name not in layer.parts)
            if is_twice and (layer.name in made or not config):
                notes.append(f"left aside: {name}, for {layer.name} stands there, too")
            else:
                made[layer.name] = layer
    if not made and not unreadable:
        return file
    require_together(file.path, (4 * math.prod(layer.shape) for layer in made.values()))
    kinds = Counter(layer.kind for layer in made.values())
    notes += [f"unpacked: {counted(count, 'layer')}, {kind}" for kind, count in kinds.items()]
    notes += [f"not unpacked: {why.removeprefix('expected ')}" for why in [*unreadable.values()][:_NOTED]]
    used = {name for layer in made.values() for name in (*layer.parts, *layer.beside)} - made.keys()
    read, left = _reader(made, file.read), {name: shape for name, shape in file.shapes.items() if name not in used}
    types, stored = dict(file.types), dict(file.stored)
    for name, layer in made.items():
        types[name] = file.types.get(layer.parts[0], "")
        stored[name] = file.shapes[layer.parts[0]]
    return replace(
        file, what=f"{file.what}, weights packed", shapes=left | {name: layer.shape for name, layer in made.items()},
        read=read, again=lambda: _reader(made, file.again()), notes=(*file.notes, *notes), types=types, stored=stored,
        unreadable={**file.unreadable, **unreadable},
        rows=file.rows | {name for name, layer in made.items() if layer.is_linear},
    )  # fmt: skip


def _reader(made: dict[str, Layer], read: Reader) -> Reader:
    def reader(name: str) -> Array:
        layer = made.get(name)
        if layer is None:
            return read(name)
        with np.errstate(all="ignore"):  # what is infinite in a damaged file says whoever needs it
            return layer.made(*map(read, layer.parts))

    return remembering(reader)


def _mentions(path: Path, word: str) -> bool:
    return path.is_file() and path.stat().st_size <= _MOST and f'"{word}"'.encode() in path.read_bytes()


def _config(folder: Path) -> dict[str, Any]:
    """Return what a folder's configuration says of quantisation; empty where nothing is said."""
    for name, key in _CONFIGS:
        path = folder / name
        if not path.is_file() or path.stat().st_size > _MOST:
            continue
        try:
            found = unique.parsed(path.read_bytes(), path)
            found = found[key] if key else found
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(found, dict):
            return found
    return {}
