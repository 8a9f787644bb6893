"""Core ML packages: constants of the program, mapped; integers, palettes and masks as the numbers that they stand for.

Run with coremltools 9.0, whose own reader loads the whole model. Kernels are turned to filters by what operations do with them.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape, remembering, require_together
from modelmark.suspects.files.milprogram import TYPES, operations
from modelmark.suspects.files.milweights import MADE, shape_of, weight

MANIFEST = "Manifest.json"
_MODEL = "Data/com.apple.CoreML/model.mlmodel"
_LEAST = 200  # number of the field that says what a model is; smaller ones describe it
# which input of an operation holds filters, and which axis counts them
USES = {"conv": ("weight", 0), "conv_transpose": ("weight", 1), "linear": ("weight", 0), "gather": ("x", 0)}
_ENDINGS = ("_quantized", "_palettized", "_sparsified")


def is_coreml(head: bytes) -> bool:
    """Return whether the first bytes are those of a Core ML model: its version, its description, and then what it is."""
    if head[:1] != b"\x08":
        return False
    at, number = 0, 0
    while number < _LEAST and at < len(head):
        tag, at = _varint(head, at)
        number, kind = tag >> 3, tag & 7
        size, at = _varint(head, at)
        if kind not in (0, 2) or (number not in (1, 2, 10) and number < _LEAST):
            return False
        at += size if kind == 2 else 0
    return _LEAST <= number < 4096


def _varint(head: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        octet = head[at] if at < len(head) else 0
        value, at = value | (octet & 127) << shift, at + 1
        if octet < 128:
            break
    return value, at


def model_in(folder: Path) -> Path | None:
    """Return the model of a package, None if a folder is none."""
    path = folder / _MODEL
    return path if (folder / MANIFEST).is_file() and path.is_file() else None


def opened(path: Path) -> WeightFile:
    """Return the constants of a model, those that operations use as filters first, in their order.

    Raises:
        MalformedError: damaged, of layers instead of a program, or with numbers outside of its folder.
    """
    folder = path.parent
    known = list(operations(path))
    made: dict[str, tuple[Shape, str, Callable[[], Array]]] = {}
    unreadable: dict[str, str] = {}
    for operation in known:
        if operation.gives in made or operation.gives in unreadable:
            raise MalformedError(f"expected every name once in {path}, got {operation.gives!a} twice"[:300])
        if operation.does == "const" and "val" in operation.values:
            value = operation.values["val"]
            if value.shape and (value.file or value.integers is None):
                made[operation.gives] = value.shape, str(TYPES[value.kind]), partial(value.read, folder)
        elif operation.does.startswith("constexpr_"):
            shape = shape_of(operation)
            if shape is None:
                unreadable[operation.gives] = f"made by {operation.does[:60]}"
            else:
                value = operation.values[MADE[operation.does]]
                kind = TYPES[value.kind]
                words = f"{kind} bits" if isinstance(kind, int) else kind
                made[operation.gives] = shape, words, partial(weight, folder, operation, shape)
    require_names(path, made)
    require_together(path, (4 * prod(shape) for shape, _, _ in made.values()))
    for operation in known:  # files are there, and within the folder
        for value in operation.values.values():
            if value.file and not value.path(folder).is_file():
                raise MalformedError(f"expected {value.file[:100]!a} beside {path}, found none")
    turned: dict[str, int] = {}
    for operation in known:
        name = operation.inputs.get(USES.get(operation.does, ("", 0))[0], "")
        if name in made and len(made[name][0]) > 1:
            turned.setdefault(name, USES[operation.does][1])
    order = [*turned, *(name for name in made if name not in turned)]

    def read(name: str) -> Array:
        try:
            with np.errstate(all="ignore"):
                return np.moveaxis(made[name][2](), turned.get(name, 0), 0)
        except (ValueError, IndexError, TypeError, OverflowError):
            raise MalformedError(f"expected numbers of {name[:100]!a} in {path} that go together, got others") from None

    shapes = {name: _moved(made[name][0], turned.get(name, 0)) for name in order}
    reader = remembering(read)
    return WeightFile(
        path, "Core ML", shapes, reader, lambda: reader, unreadable=unreadable,
        types={name: kind for name, (_, kind, _) in made.items()},
        stored={name: made[name][0] for name in made if made[name][0] != shapes[name]},
        rows=frozenset(turned), called=lambda name: _called(shapes, name), in_order=True,
    )  # fmt: skip


def _moved(shape: Shape, axis: int) -> Shape:
    return (shape[axis], *shape[:axis], *shape[axis + 1 :]) if axis else shape


def _called(names: dict[str, Shape], name: str) -> str:
    stem = name.replace(".", "_")
    forms = (f"{stem}{kind}{ending}" for kind in ("", "_to_fp16") for ending in ("", *_ENDINGS))
    return next((form for form in forms if form in names), "")
