"""Weights that were rotated before they were packed, as QuIP and SpinQuant do: turned back by what ``config.json`` says.

Source: Tseng et al. 2024 (QuIP#), Liu et al. 2025 (SpinQuant); as compressed-tensors 0.20.1 and llmcompressor 0.14.0 apply and
write it (``transform_config``). Names and shapes stay what they were, and a network answers as before; a mean of filters does not
stay. With T a Hadamard matrix over the root of its order, it is ``T' W`` by ``weight_output``, ``W T'`` by ``weight_input``.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelmark.naming import counted
from modelmark.suspects.files.base import Reader, WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import remembering
from modelmark.suspects.files.quantisers.layers import Config

WORD = "transform_config"
_KINDS = ("hadamard", "random-hadamard")
_PLAIN = re.compile(r"re:[\w.^$|\\*+-]{1,200}")  # patterns without groups, which cannot take for ever
_MOST, _TARGETS, _LETTERS = 16, 32, 300  # rotations of a network, targets of one, letters of a name that is matched
_EMBEDDING = re.compile(r"embed|wte|wpe")


@dataclass(frozen=True)
class Rotation:
    """One rotation of one side of some layers.

    Args:
        group: name of it, by which the matrices that are kept are called.
        kind: of the matrix; ``hadamard`` is Sylvester's.
        rows: whether the rows are mixed, else the columns.
        size: of the matrix, which stands for each head alone; 0: as many as the axis has.
        inverse: whether the matrix is transposed.
        targets: layers, as compressed-tensors names them.
        ignore: layers that are left out.
    """

    group: str
    kind: str
    rows: bool
    size: int
    inverse: bool
    targets: tuple[str, ...]
    ignore: tuple[str, ...]

    def meets(self, path: str) -> bool:
        """Return whether a layer is one of the targets."""
        return any(_means(one, path) for one in self.targets) and not any(_means(one, path) for one in self.ignore)


def undone(file: WeightFile, config: Config) -> WeightFile:
    """Return the file with its matrices turned back, where it is known how; the others stay, with a note.

    Args:
        file: that is open, nothing packed in it.
        config: ``quantization_config`` of its folder.
    """
    rotations = list(_rotations(config))
    if not rotations:
        return file
    kept = {
        name: shape
        for name, shape in file.shapes.items()
        if any(name.endswith(f".{one.group}_{side}.weight") for one in rotations for side in ("input", "output"))
    }
    undoing: dict[str, list[tuple[Rotation, str]]] = {}
    lost = Counter[str]()
    for name, shape in file.shapes.items():
        path = name.removesuffix(".weight")
        mine = (
            [one for one in rotations if one.meets(path)]
            if len(shape) == 2 and path != name and name not in kept
            else []
        )
        how = [(one, _matrix(kept, one, shape, path)) for one in mine]
        if any(matrix is None for _, matrix in how):
            lost[mine[0].kind] += 1
        elif how:
            undoing[name] = [(one, matrix or "") for one, matrix in reversed(how)]
    notes = [f"turned back: {counted(len(undoing), 'layer')}, rotated before they were packed"] if undoing else []
    notes += [
        f"rotated, and not turned back: {counted(count, 'layer')}, by {kind[:40]!a}" for kind, count in lost.items()
    ]

    def reader(read: Reader) -> Reader:
        def made(name: str) -> Array:
            tensor = read(name)
            with np.errstate(all="ignore"):  # what is infinite in a damaged file says whoever needs it
                for rotation, matrix in undoing.get(name, ()):
                    tensor = _back(tensor, rotation, read(matrix) if matrix else None, is_embedding=_is_embedding(name))
            return tensor

        return remembering(made)

    return replace(
        file, shapes={name: shape for name, shape in file.shapes.items() if name not in kept}, read=reader(file.read),
        again=lambda: reader(file.again()), notes=(*file.notes, *notes),
    )  # fmt: skip


def _rotations(config: Config) -> Iterator[Rotation]:
    """Yield those that were computed into weights, in their order; what cannot be read is one that nobody can turn back."""
    said = config.get(WORD)
    groups = said.get("config_groups") if isinstance(said, Mapping) else None
    count = 0
    for group, scheme in groups.items() if isinstance(groups, Mapping) else ():
        applied = scheme.get("apply") if isinstance(scheme, Mapping) else None
        for one in applied if isinstance(applied, list) else ():
            where = one.get("location") if isinstance(one, Mapping) else None
            count += where in ("weight_input", "weight_output")
            if where not in ("weight_input", "weight_output") or count > _MOST:
                continue
            size, kind = scheme.get("head_dim"), str(scheme.get("type"))
            is_known = not scheme.get("randomize") and (size is None or (type(size) is int and size > 0))
            yield Rotation(
                str(group), kind if is_known else f"{kind}, in another order", where == "weight_output", size or 0,
                bool(one.get("inverse")), _texts(one.get("targets")), _texts(one.get("ignore")),
            )  # fmt: skip


def _matrix(kept: Mapping[str, Any], one: Rotation, shape: tuple[int, ...], path: str) -> str | None:
    """Return the name of the matrix that is kept, nothing for Sylvester's, None where there is neither."""
    axis = shape[0 if one.rows != _is_embedding(path) else 1]
    size = one.size or axis
    if one.kind not in _KINDS or not size or axis % size:
        return None
    if one.kind == "hadamard":
        return "" if size & (size - 1) == 0 else None
    ending = f".{one.group}_{'output' if one.rows else 'input'}.weight"
    found = [name for name in kept if name.endswith(ending) and kept[name] == (size, size)]
    return next((name for name in found if name == path + ending), found[0] if found else None)


def _back(weight: Array, one: Rotation, matrix: Array | None, *, is_embedding: bool) -> Array:
    """Return a weight before one rotation; of an embedding outputs are columns."""
    is_first = one.rows != is_embedding
    wide = weight.astype(np.float32)
    wide = wide.T if is_first else wide
    size = one.size or wide.shape[1]
    parts = wide.reshape(-1, size)
    if matrix is None:
        parts = _sylvester(parts)
    else:
        t = matrix.astype(np.float32)
        parts = parts @ (t.T if one.inverse != one.rows else t)
    made = (parts / np.float32(math.sqrt(size))).reshape(wide.shape)
    return np.ascontiguousarray(made.T if is_first else made)


def _sylvester(rows: Array) -> Array:
    """Return rows times Sylvester's Hadamard matrix, by halves."""
    count, step = rows.shape[1], 1
    while step < count:
        pairs = rows.reshape(len(rows), -1, 2, step)
        rows = np.stack((pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), 2).reshape(len(rows), count)
        step *= 2
    return rows


def _means(target: str, path: str) -> bool:
    if target.startswith("re:"):
        return bool(_PLAIN.fullmatch(target)) and len(re.findall(r"[*+]", target)) <= 2 and _matches(target[3:], path)
    if target in ("Linear", "Embedding"):
        last = path.rpartition(".")[2]
        return "norm" not in last and bool(_EMBEDDING.search(last)) == (target == "Embedding")
    return target == path


def _matches(pattern: str, path: str) -> bool:
    try:
        return len(path) <= _LETTERS and re.match(pattern, path) is not None
    except re.error:
        return False


def _is_embedding(name: str) -> bool:
    return bool(_EMBEDDING.search(name.removesuffix(".weight").rpartition(".")[2]))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value[:_TARGETS]) if isinstance(value, list) else ()
