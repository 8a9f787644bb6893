"""Projections that one tool writes as one matrix and another as several: queries, keys and values; gates and what they gate.

A layer that a key names and a file lacks is cut out of the matrix that holds it, or put together of its parts, by names and sizes
alone; filters stay filters.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from modelmark.errors import MismatchError
from modelmark.suspects.files.base import WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.factors import Computed
from modelmark.suspects.files.fitting import name_of
from modelmark.suspects.files.mapped import Shape

# what a matrix of several is called, and its parts in their order; those of the first kind have queries of the width of inputs
KINDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("qkv_proj", "Wqkv", "qkv", "c_attn"), ("q_proj", "k_proj", "v_proj")),
    (("qkv", "Wqkv", "qkv_proj"), ("query", "key", "value")),
    (("gate_up_proj",), ("gate_proj", "up_proj")),
)
_RULES = ("cut out of a matrix of several", "put together of its parts")


@dataclass(frozen=True)
class Wanted:
    """A layer that is looked for: its path and the weights of one of its filters."""

    path: str
    width: int


def offered(
    file: WeightFile, made: Mapping[str, Computed], wanted: Iterable[Wanted]
) -> tuple[WeightFile, dict[str, Computed], dict[str, str]]:
    """Return the file with the layers that it holds in another form, how all are made, and a line for each of those.

    Args:
        file: with the weights that it stores as factors.
        made: how those are made.
        wanted: layers, of which those that the file has stay as they are.
    """
    more: dict[str, Computed] = {}
    notes: dict[str, str] = {}
    for layer in wanted:
        path = layer.path.removesuffix(".weight")
        with contextlib.suppress(MismatchError):
            name_of(file, path)
            continue
        found = _cut(file, path, layer.width) or _joined(file, path, layer.width)
        if found is not None and not set(found.parts) & made.keys():
            more[f"{path}.weight"] = found
            notes[path] = f"{path} {found.rule}: {', '.join(found.parts)}"
    if not more:
        return file, dict(made), notes

    def read(name: str) -> Array:
        one = more.get(name)
        return one.product(*map(file.tensor, one.parts)) if one else file.read(name)

    shapes = {**{name: one.shape for name, one in more.items()}, **file.shapes}
    return replace(file, shapes=shapes, read=read, rows=file.rows | more.keys()), {**made, **more}, notes


def _cut(file: WeightFile, path: str, width: int) -> Computed | None:
    """Return a layer out of the matrix that holds it, None where there is none or it may be cut in several ways."""
    parent, _, last = path.rpartition(".")
    for names, parts in KINDS:
        if last not in parts:
            continue
        for name in names:
            whole = _there(file, parent, name)
            if whole is None:
                continue
            shape = file.shapes[whole]
            turned = _turned(file, whole, shape, width)
            if turned is None:
                return None
            rows = shape[1] if turned else shape[0]
            first = width if len(parts) == 3 else rows // 2  # queries are as wide as what they are computed from
            rest, odd = divmod(rows - first, len(parts) - 1)
            if first < 1 or rest < 1 or odd or (len(parts) == 3 and rest > first):
                return None
            place = parts.index(last)
            start, count = (0, first) if not place else (first + (place - 1) * rest, rest)
            return Computed(_RULES[0], (whole,), (count, width), partial(_rows, start, count, turned))
    return None


def _joined(file: WeightFile, path: str, width: int) -> Computed | None:
    """Return a matrix of its parts, None where one of them is missing."""
    parent, _, last = path.rpartition(".")
    for names, parts in KINDS:
        there = [_there(file, parent, part) for part in parts] if last in names else []
        if not there or None in there:
            continue
        found = tuple(name for name in there if name is not None)
        shapes = [file.shapes[name] for name in found]
        if all(len(shape) == 2 and shape[1] == width for shape in shapes):
            return Computed(_RULES[1], found, (sum(shape[0] for shape in shapes), width), _together)
    return None


def _there(file: WeightFile, parent: str, name: str) -> str | None:
    with contextlib.suppress(MismatchError):
        return name_of(file, f"{parent}.{name}" if parent else name)
    return None


def _turned(file: WeightFile, name: str, shape: Shape, width: int) -> bool | None:
    """Return whether a matrix has inputs first, None where it has neither as many rows nor as many columns."""
    if len(shape) != 2 or width not in shape:
        return None
    if name in file.rows or shape[1] == width:
        return False if shape[1] == width else None
    return True


def _rows(start: int, count: int, turned: bool, whole: Array) -> Array:
    return (whole.T if turned else whole)[start : start + count]


def _together(*parts: Array) -> Array:
    return np.concatenate(parts)
