"""What ``quantize`` of Keras leaves of a layer, told by the shapes of its variables: they have numbers and no names.

Run with keras 3.15.1. A scale divides where each filter has one, and multiplies where groups of inputs have; four bits lie in
pairs along the outputs, the lower half first, so that a kernel has half as many columns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Extent, Shape


@dataclass(frozen=True)
class Packed:
    """A kernel in parts.

    Args:
        shape: of it, inputs first.
        parts: names of the variables that ``made`` is given.
        made: returns it, float32.
        words: what it is.
    """

    shape: Shape
    parts: tuple[str, ...]
    made: Callable[..., Array]
    words: str


def kernels(found: Mapping[str, Extent]) -> tuple[dict[str, Packed], dict[str, str]]:
    """Return the packed kernels by their names, and those that are packed in a way that is not read, with a word for it."""
    made, unreadable = dict[str, Packed](), dict[str, str]()
    for group, names in _groups(found):
        first, *others = names
        kernel = found[first]
        if len(kernel.shape) != 2 or not others or "embedding" in group.lower():
            continue
        if kernel.dtype == np.uint8 and len(others) > 2:
            unreadable[first] = "packed by GPTQ or AWQ of Keras"
        elif kernel.dtype == np.int8 and (one := _packed(found, first, others)):
            made[first] = one
    return made, unreadable


def _groups(found: Mapping[str, Extent]) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups of numbered variables, with the names of these in their order."""
    groups: dict[str, dict[int, str]] = {}
    for name in found:
        group, _, number = name.rpartition("/")
        if group.endswith("vars") and number.isdecimal() and len(number) < 4:
            groups.setdefault(group, {})[int(number)] = name
    for group, numbered in groups.items():
        if [*sorted(numbered)] == [*range(len(numbered))]:
            yield group, [numbered[number] for number in sorted(numbered)]


def _packed(found: Mapping[str, Extent], first: str, others: list[str]) -> Packed | None:
    inputs, columns = found[first].shape
    *_, last = others
    floats = found[last].dtype.kind == "f"
    if len(others) > 2 and floats and found[last].shape == (inputs,):
        scale, zero = (found[name] for name in others[-3:-1])
        if (
            len(scale.shape) == 2
            and scale.shape == zero.shape
            and columns == -(-scale.shape[1] // 2)
            and scale.shape[0]
        ):
            outputs = scale.shape[1]
            return Packed(
                (inputs, outputs), (first, *others[-3:]), partial(_of_groups, outputs), "4 bits of Keras, in groups"
            )
    if not floats or len(found[last].shape) != 1:
        return None
    (outputs,) = found[last].shape
    if outputs == columns:
        return Packed((inputs, outputs), (first, last), _divided, "8 bits of Keras")
    if columns == -(-outputs // 2):
        return Packed((inputs, outputs), (first, last), partial(_halves_divided, outputs), "4 bits of Keras")
    return None


def _pairs(packed: Array, outputs: int) -> Array:
    octets = np.ascontiguousarray(packed).view(np.uint8)
    made = np.empty((*octets.shape, 2), np.float32)
    made[..., 0], made[..., 1] = octets & 15, octets >> 4
    made[made > 7] -= 16
    return made.reshape(len(octets), -1)[:, :outputs]


def _of_groups(outputs: int, packed: Array, scale: Array, zero: Array, groups: Array) -> Array:
    with np.errstate(all="ignore"):  # what is infinite in a damaged file says whoever needs it
        rows = np.clip(np.nan_to_num(groups), 0, len(scale) - 1).astype(np.int64)
        made = (_pairs(packed, outputs) - zero.astype(np.float32)[rows]) * scale.astype(np.float32)[rows]
    return np.asarray(made)


def _halves_divided(outputs: int, packed: Array, scale: Array) -> Array:
    return _divided(_pairs(packed, outputs), scale)


def _divided(numbers: Array, scale: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(numbers.astype(np.float32) / scale.astype(np.float32))
