"""A tensor that several processes wrote, each its piece: blocks that must make up the whole, none over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape

MOST = 2**14
"""Pieces of one tensor."""
CUT_OFF = "a file of it is missing or was cut off; fetch the whole folder again"
_COMPARED = 512  # blocks that are compared two by two; more must be slices along one axis


class Piece(Protocol):
    """A block of a tensor: where it begins, its shape, and its numbers."""

    @property
    def begin(self) -> Shape:
        """First entry along each axis."""

    @property
    def shape(self) -> Shape:
        """Entries along each axis."""

    def read(self) -> Array:
        """Return the numbers."""


@dataclass(frozen=True)
class Whole:
    """A tensor in pieces.

    Args:
        shape: of the tensor.
        dtype: of its numbers.
        pieces: that make it up.
    """

    shape: Shape
    dtype: np.dtype[Any]
    pieces: tuple[Piece, ...]

    def read(self) -> Array:
        """Return the tensor."""
        if len(self.pieces) == 1:
            return self.pieces[0].read()
        made = np.empty(self.shape, self.dtype)
        for piece in self.pieces:
            made[tuple(slice(*ends) for ends in _ends(piece))] = piece.read()
        return made


def pieced(path: Path, name: str, shape: Shape, dtype: np.dtype[Any], pieces: Sequence[Piece]) -> Whole:
    """Return a tensor of pieces.

    Raises:
        MalformedError: one lies over the edge or over another, or a part of the tensor is in none; ``path`` says so.
    """
    boxes = [_ends(piece) for piece in pieces]
    is_within = all(
        len(piece.begin) == len(piece.shape) == len(shape)
        and all(0 <= start <= end <= size for (start, end), size in zip(box, shape, strict=True))
        for piece, box in zip(pieces, boxes, strict=True)
    )
    count = sum(prod(piece.shape) for piece in pieces)
    if not pieces or len(pieces) > MOST or not is_within or count != prod(shape) or not _are_apart(boxes, shape):
        raise MalformedError(
            f"expected pieces that make up {name[:100]!a} of {shape} by {path}, got others"[:300], hint=CUT_OFF
        )
    return Whole(shape, dtype, tuple(pieces))


def _ends(piece: Piece) -> tuple[tuple[int, int], ...]:
    """Return first entry and the one after the last along each axis."""
    return tuple((start, start + size) for start, size in zip(piece.begin, piece.shape, strict=False))


def _are_apart(boxes: list[tuple[tuple[int, int], ...]], shape: Shape) -> bool:
    """Return whether no block lies over another."""
    boxes = [box for box in boxes if all(start < end for start, end in box)]
    if len(boxes) > _COMPARED:
        cut = [axis for axis, size in enumerate(shape) if any(box[axis] != (0, size) for box in boxes)]
        return len(cut) == 1 and all(one[1] <= two[0] for one, two in pairwise(sorted(box[cut[0]] for box in boxes)))
    return all(
        any(a[1] <= b[0] or b[1] <= a[0] for a, b in zip(first, second, strict=True))
        for first, second in combinations(boxes, 2)
    )
