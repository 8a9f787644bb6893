"""HDF5 as Keras writes it: ``.weights.h5``, the one in a ``.keras`` archive, and the older ``.h5`` of whole models.

The library ``h5py`` says where every array lies, in a process of its own; numbers are mapped from there. Links out of the file
are not followed.
"""

import importlib.util
import json
import math
import re
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError, MissingPackageError
from modelmark.naming import counted
from modelmark.suspects.files import hdf5_listing, keras_packed, kernels, zips
from modelmark.suspects.files.base import NAMES, WeightFile, require_names
from modelmark.suspects.files.dtypes import Array, called
from modelmark.suspects.files.mapped import Extent, require_together, require_within

MAGIC = b"\x89HDF\r\n\x1a\n"
_PATIENCE = 60  # seconds that the library may look at a file
_CUT_OFF = "the file was cut off, as an interrupted download leaves it; fetch it again"
_ASIDE = ("optimizer", "optimizer_weights")
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "embeddings")


def is_hdf5(head: bytes) -> bool:
    """Return whether the first bytes are those of HDF5."""
    return head.startswith(MAGIC)


def opened(path: Path) -> WeightFile:
    """Return the arrays of a file, with kernels turned to filters first.

    Raises:
        MalformedError: damaged, too large, or without arrays.
        MissingPackageError: h5py is not installed.
    """
    return _opened(path, 0, path.stat().st_size, "")


def opened_archive(path: Path, members: zips.Listing) -> WeightFile:
    """Return the arrays in a ``.keras`` archive; see ``opened``."""
    (member, *_) = (found for name, found in members.items() if name.endswith(".weights.h5"))
    config = members.get("config.json")
    text = zips.content(path, config).decode(errors="replace") if config is not None else ""
    return _opened(path, zips.place(path, member), member.file_size, text)


def _opened(path: Path, start: int, size: int, config: str) -> WeightFile:
    said = _listed(path, start, size)
    layers: dict[str, str] = said["layers"]
    config = config or said["config"]
    found: dict[str, Extent] = {}
    unreadable: dict[str, str] = {}
    aside = set()
    for name, given in said["arrays"].items():
        if name.split("/")[0] in _ASIDE:
            aside.add(name.split("/")[0])
        elif isinstance(given, str):
            unreadable[name] = given
        elif math.prod(given[1]):
            kind, shape, offset = given
            found[name] = Extent(path, start + offset, np.dtype(kind), tuple(shape))
    require_names(path, found)
    if not found and not unreadable:
        raise MalformedError(f"expected arrays in {path}, got none")
    require_within(path, found)
    packed, unread = keras_packed.kernels(found)
    require_together(path, (4 * math.prod(one.shape) for one in packed.values()))
    unreadable |= unread
    aside_of = {part for one in packed.values() for part in one.parts[1:]} | unread.keys()
    shapes = {name: packed[name].shape if name in packed else extent.shape for name, extent in found.items()}
    classes = _classes(config)
    turns: dict[str, kernels.Turn] = {}
    numbers = {layer: number for number, layer in enumerate(classes)}
    names = sorted(found.keys() - aside_of, key=lambda name: (_number(name, layers, numbers), _natural(name)))
    for name in names:
        if turn := kernels.turn(_words(name, layers, classes), shapes[name], swapped=True):
            turns[name] = turn

    notes = [f"left aside: {', '.join(sorted(aside))}"] if aside else []
    kinds = Counter(one.words for one in packed.values())

    def read(name: str) -> Array:
        one = packed.get(name)
        tensor = one.made(*(found[part].read() for part in one.parts)) if one else found[name].read()
        return turns[name](tensor) if name in turns else tensor

    return WeightFile(
        path, "HDF5 of Keras" if config or layers else "HDF5",
        {name: turns[name].shape if name in turns else shapes[name] for name in names}, read, lambda: read,
        notes=(*notes, *(f"unpacked: {counted(count, 'layer')}, {kind}" for kind, count in kinds.items())),
        unreadable=unreadable, types={name: called(found[name].dtype) for name in names},
        stored={name: found[name].shape for name in turns},
        rows=frozenset(turns), called=partial(_called, names, layers), in_order=True,
    )  # fmt: skip


def _listed(path: Path, start: int, size: int) -> dict[str, Any]:
    """Return what a process of its own says of a file; see ``hdf5_listing``."""
    if importlib.util.find_spec("h5py") is None:
        raise MissingPackageError("expected h5py to be installed to read HDF5", hint="pip install 'modelmark[keras]'")
    words = [sys.executable, "-P", hdf5_listing.__file__, path.resolve(), start, size, NAMES]
    try:
        ran = subprocess.run([*map(str, words)], capture_output=True, timeout=_PATIENCE, check=False)
        said = json.loads(ran.stdout)
        error = said.get("error", "")
    except subprocess.TimeoutExpired:
        error = f"the HDF5 library did not come to an end in {_PATIENCE} seconds"
    except (ValueError, RecursionError):
        error = "the HDF5 library broke down over it"
    if error:
        raise MalformedError(f"expected HDF5 in {path}, got a damaged one: {error}"[:300], hint=_CUT_OFF)
    return said


def _classes(config: str) -> dict[str, str]:
    """Return the class of each layer by its name, in the order in which the configuration of a model says them."""
    try:
        left: list[Any] = [json.loads(config)]
    except (ValueError, RecursionError):
        return {}
    found = {}
    while left:
        value = left.pop()
        if isinstance(value, dict):
            given = value.get("config")
            if (
                isinstance(given, dict)
                and isinstance(given.get("name"), str)
                and isinstance(value.get("class_name"), str)
            ):
                found[given["name"]] = value["class_name"]
            left += [*value.values()][::-1]
        elif isinstance(value, list):
            left += value[::-1]
    return found


def _words(name: str, layers: dict[str, str], classes: dict[str, str]) -> str:
    """Return what is known of a variable: its path, and the classes of the layers in it."""
    group, _, variable = name.rpartition("/")
    parts = [*group.split("/"), layers.get(group, "")]
    words = "/".join([name, *(classes.get(part, "") for part in parts)]).lower()
    if "separable" in words and "depthwise" not in words.removeprefix("model_weights"):
        words = words.replace("separable", "depthwise" if variable in ("0", "depthwise_kernel") else "")
    return words if variable != "pointwise_kernel" else words.replace("depthwise", "")


def _called(names: list[str], layers: dict[str, str], name: str) -> str:
    """Return the kernel of the layer that torch calls so, if a layer bears that name here."""
    layer, _, variable = name.rpartition(".")
    if variable != "weight":
        return ""
    forms = {layer, layer.replace(".", "_"), layer.replace(".", "/")}
    kernels_ = [f"{group}/0" for group, called in layers.items() if called in forms]
    kernels_ += [one for one in names if one.rpartition("/")[2] in _KERNELS and set(one.split("/")[1:-1]) & forms]
    found = [one for one in kernels_ if one in names]
    return found[0] if len(found) == 1 else ""


def _number(name: str, layers: dict[str, str], numbers: dict[str, int]) -> int:
    """Return the number of a variable's layer in the network, of one that is not known a last one."""
    group = name.rpartition("/")[0]
    known = [numbers[part] for part in (layers.get(group, ""), *group.split("/")) if part in numbers]
    return known[0] if known else len(numbers)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts ``conv2d_2`` before ``conv2d_10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
