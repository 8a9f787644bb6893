"""Readings in which one query needs several carriers: pictures under a filter, and the means of classes.

``filtered`` (``null``): the carriers are the null filter, a filter for each trial, and pictures with their labels; query
``t * each + j`` is picture ``(t * each + j) mod K`` under filter ``t``. ``means`` (``deepsigns``): the carriers are the rows
of a projection for each layer, then the pictures of each class; trial ``(layer * classes + class) * bits + row`` is the sign
of that row times the mean of what the layer receives for that class. All carriers are opened.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.claim.statement import Statement
from modelmark.errors import MalformedError, MismatchError

_FILTER = re.compile(rb"filter (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}) ([01]{1,65536})")


@dataclass(frozen=True)
class Layout:
    """Where carriers stand in the list.

    Args:
        first: carriers before the pictures.
        groups: number of groups of pictures, of one size.
        each: pictures of a group.
    """

    first: int
    groups: int
    each: int


def filtered(statement: Statement) -> Layout:
    """Return the layout of a ``null`` key.

    Raises:
        MismatchError: the numbers of the statement do not fit together.
    """
    count, first = _number(statement, "pictures"), 1 + statement.trials
    if statement.carriers != first + count:
        raise MismatchError(f"expected {first + count} carriers of {statement.scheme}, got {statement.carriers}")
    return Layout(first, 1, count)


def means(statement: Statement) -> Layout:
    """Return the layout of a ``deepsigns`` key.

    Raises:
        MismatchError: the numbers of the statement do not fit together.
    """
    classes, bits, widths = _number(statement, "classes"), _number(statement, "bits"), _widths(statement)
    each, rest = divmod(statement.carriers - len(widths) * bits, classes)
    if rest or each < 1 or statement.trials != len(widths) * classes * bits:
        raise MismatchError(
            f"expected {len(widths)} x {classes} x {bits} trials and as many pictures a class, got others"
        )
    return Layout(len(widths) * bits, classes, each)


def queries(statement: Statement, shown: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return what stands for each query in a record, by its number: all that the answer depends on but the suspect.

    Raises:
        MalformedError: a carrier is missing.
    """
    if sorted(shown) != list(range(statement.carriers)):
        raise MalformedError(f"expected all {statement.carriers} carriers to be opened, got {len(shown)}")
    if statement.scheme == "null":
        layout, asked = filtered(statement), statement.trials * _number(statement, "queries")
        each = _number(statement, "queries")
        return {q: shown[1 + q // each] + b"\n" + shown[layout.first + q % layout.each] for q in range(asked)}
    layout, bits = means(statement), _number(statement, "bits")
    groups = [
        hashlib.sha256(b"".join(shown[layout.first + group * layout.each + i] for i in range(layout.each))).digest()
        for group in range(layout.groups)
    ]
    return {
        trial: shown[trial // (layout.groups * bits) * bits + trial % bits] + groups[trial // bits % layout.groups]
        for trial in range(statement.trials)
    }


def unlabelled(word: str, carriers: Sequence[bytes]) -> list[bytes]:
    """Return pictures without the line ``word NUMBER`` before each.

    Raises:
        MalformedError: one has none.
    """
    found = []
    for carrier in carriers:
        line, _, picture = carrier.partition(b"\n")
        if not re.fullmatch(word.encode() + rb" (0|[1-9][0-9]{0,6})", line):
            raise MalformedError(f"expected pictures after a line {word} NUMBER, got something else")
        found.append(picture)
    return found


def planes(statement: Statement, carriers: Sequence[bytes]) -> npt.NDArray[np.int8]:
    """Return what each filter does to each pixel: +1, -1 or 0 for nothing, int8 ``(P, H, W)``.

    Raises:
        MalformedError: a carrier is no filter, or does not fit the picture.
    """
    shape, side = statement.interface.input_shape, _number(statement, "side")
    if len(shape) != 3:
        raise MalformedError(f"expected pictures (channels, height, width) to be filtered, got inputs of shape {shape}")
    out = np.zeros((len(carriers), *shape[1:]), np.int8)
    for plane, carrier in zip(out, carriers, strict=True):
        found = _FILTER.fullmatch(carrier)
        row, column = (int(found[1]), int(found[2])) if found else (0, 0)
        if not found or len(found[3]) != side**2 or row + side > shape[1] or column + side > shape[2]:
            raise MalformedError(f"expected filters of side {side} within the picture as carriers, got something else")
        bits = np.frombuffer(found[3], np.uint8).astype(np.int8) - ord("0")
        plane[row : row + side, column : column + side] = 2 * bits.reshape(side, side) - 1
    return out


def projections(statement: Statement, shown: Mapping[int, bytes]) -> list[npt.NDArray[np.int64]]:
    """Return each layer's projection, ``(bits, M)``, in units of ``carriers.UNIT``.

    Raises:
        MalformedError: a carrier is not a row of the claimed width.
    """
    bits, out = _number(statement, "bits"), []
    for index, width in enumerate(_widths(statement)):
        rows = [shown[index * bits + row] for row in range(bits)]
        if any(len(row) != 4 * width for row in rows):
            raise MalformedError(f"expected rows of {width} integers as carriers, got something else")
        out.append(np.stack([np.frombuffer(row, ">i4") for row in rows]).astype(np.int64))
    return out


def _number(statement: Statement, name: str) -> int:
    value = statement.parameters.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= statement.carriers**2:
        raise MismatchError(f"expected the number of {name} in the statement, got {value!r}")
    return value


def _widths(statement: Statement) -> tuple[int, ...]:
    value = statement.parameters.get("width")
    if (
        not isinstance(value, tuple)
        or not value
        or not all(type(width) is int and 0 < width < 2**28 for width in value)
    ):
        raise MismatchError(f"expected the widths of the layers in the statement, got {value!r}")
    return value
