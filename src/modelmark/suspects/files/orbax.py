"""Checkpoints of Orbax: arrays of zarr in a folder, or in an OCDBT store in it; kernels turned to filters first.

The library ``tensorstore`` reads them, in a process of its own: what it unpacks is as large as a stranger makes it.
"""

import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError, MissingPackageError
from modelmark.suspects.files import kernels, orbax_reading
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Shape, remembering, require_shape, require_together

_PATIENCE = 600  # seconds that the library may take
_CUT_OFF = "a file of it is missing or was cut off; fetch the whole folder again"
_SIGNS = ("manifest.ocdbt", "_METADATA")
_ITEMS = ("default", "state", "params", "model", "items")
_ASIDE = re.compile(r"(?:.*[./])?(?:opt_state|optimizer\w*|opt|tx)[./]")


def item_in(folder: Path) -> Path | None:
    """Return the folder of the arrays: itself, that of its one item, or that of the one step of a manager's; None if it is none.

    Raises:
        MalformedError: several steps.
    """
    if any((folder / sign).is_file() for sign in _SIGNS):
        return folder
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    items = [path for path in inner if any((path / sign).is_file() for sign in _SIGNS)]
    if items:
        return next((path for name in _ITEMS for path in items if path.name == name), items[0])
    steps = [path for path in inner if path.name.isdecimal() and (path / "_CHECKPOINT_METADATA").is_file()]
    if len(steps) > 1:
        names = ", ".join(path.name for path in steps[:4])
        raise MalformedError(
            f"expected one step of a checkpoint of Orbax in {folder}, got several: {names}", hint="name its folder"
        )
    return item_in(steps[0]) if steps else None


def opened(folder: Path) -> WeightFile:
    """Return the arrays by the paths that lead to them, optimisers left aside.

    Raises:
        MalformedError: damaged, or without arrays.
        MissingPackageError: tensorstore is not installed.
    """
    if importlib.util.find_spec("tensorstore") is None:
        raise MissingPackageError(
            "expected tensorstore to be installed to read checkpoints of Orbax", hint="pip install 'modelmark[orbax]'"
        )
    said = json.loads(_ran(folder))
    if "error" in said:
        raise MalformedError(
            f"expected a checkpoint of Orbax in {folder}, got a damaged one: {said['error']}"[:400], hint=_CUT_OFF
        )
    keys: dict[str, tuple[str, str, np.dtype[Any], Shape]] = {}
    unreadable: dict[str, str] = {}
    aside: dict[str, None] = {}
    for key, (kind, described) in said["arrays"].items():
        name = key.replace(".", "/").removesuffix("/value")  # nnx has its values one level down
        if _ASIDE.match(name):
            aside[key.partition(".")[0]] = None
            continue
        found = _described(folder, key, kind, described)
        if isinstance(found, str):
            unreadable[name] = found
        elif name in keys:
            raise MalformedError(f"expected every name once in {folder}, got {name!a} twice"[:300])
        elif math.prod(found[1]) > 1 or found[1]:
            keys[name] = key, kind, *found
    require_names(folder, keys)
    if not keys:
        raise MalformedError(f"expected arrays in the checkpoint of Orbax {folder}, got none")
    require_together(folder, (math.prod(shape) * dtype.itemsize for *_, dtype, shape in keys.values()))
    turns = {
        name: turn for name, (*_, shape) in keys.items()
        if name.endswith("kernel") and (turn := kernels.turn(name.lower(), shape, swapped=False))
    }  # fmt: skip

    def read(name: str) -> Array:
        key, kind, dtype, shape = keys[name]
        size = math.prod(shape) * dtype.itemsize
        raw = _ran(folder, key, kind, str(size))
        if len(raw) != size:
            raise MalformedError(f"expected {size} bytes of {key[:100]!a} in {folder}, got {len(raw)}", hint=_CUT_OFF)
        array = np.frombuffer(bytearray(raw), dtype).reshape(shape)
        return turns[name](array) if name in turns else array

    reader = remembering(read)
    return WeightFile(
        folder, "checkpoint of Orbax", {name: turns[name].shape if name in turns else keys[name][3] for name in keys},
        reader, lambda: reader, notes=(f"left aside: {', '.join(sorted(aside))}"[:200],) if aside else (),
        unreadable=unreadable, types={name: str(dtype) for name, (*_, dtype, _) in keys.items()},
        stored={name: keys[name][3] for name in turns}, rows=frozenset(turns),
        called=lambda name: kernels.called(keys, name),
    )  # fmt: skip


def _described(folder: Path, key: str, kind: str, said: Any) -> tuple[np.dtype[Any], Shape] | str:
    """Return the type and the shape of an array, or why it is not read."""
    try:
        shape = said["shape"]
        word = str(said["dtype"] if kind == "zarr" else said["data_type"]).lstrip("<|=")
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise MalformedError(f"expected shape and type of {key[:100]!a} in {folder}, got something else") from None
    require_shape(folder, key, shape)
    if word in DTYPES:
        return DTYPES[word], tuple(shape)
    if re.fullmatch(r"[fiub][1248]", word):
        return np.dtype(f"<{word}" if word != "b1" else "?"), tuple(shape)
    return f"of type {word[:30]!a}"


def _ran(folder: Path, *words: str) -> bytes:
    """Return what the other process says.

    Raises:
        MalformedError: it breaks down, or does not come to an end.
    """
    command = [sys.executable, "-P", orbax_reading.__file__, str(folder.resolve()), *words]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise MalformedError(
            f"expected a checkpoint of Orbax in {folder}, its library did not come to an end in {_PATIENCE} seconds"
        ) from None
    if ran.returncode or (not ran.stdout and not words):
        why = " ".join(ran.stderr.decode(errors="replace").split())[-200:] or "the library broke down over it"
        raise MalformedError(
            f"expected a checkpoint of Orbax in {folder}, got a damaged one: {why}"[:400], hint=_CUT_OFF
        )
    return ran.stdout
