"""Moving weights so that bits are in them: pushed by a share of their deviation, or their signs drawn. Numbers alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from modelmark.carriers.room import Room
from modelmark.carriers.spread import Run, Runs, stream
from modelmark.carriers.summing import roots
from modelmark.errors import SuspectError

ROUNDING = 1
"""The use of a seed's stream that says which way a weight of a coarse type is rounded."""
_SURE = 6.0
"""Standard errors from which a mark counts as there already."""
Reals = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint16]
_LARGEST = 65472.0
"""The largest number of f16 that has a neighbour above it."""


class Sheet(Protocol):
    """The filters of one layer, read and written a slice at a time."""

    def __len__(self) -> int:
        """Return the number of filters."""
        ...

    @property
    def together(self) -> int:
        """How many weights of a filter see the same input at different places, one after another: 9 of a 3 x 3 kernel, else 1."""
        ...

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.floating]:
        """Return some of them, ``(filters, M)``."""
        ...

    def put(self, part: slice, values: Reals, words: Words) -> None:
        """Write some of them.

        Args:
            part: which.
            values: what they are to be.
            words: 16 random bits for each, which say how it is rounded; see ``rounded``.
        """
        ...


@dataclass(frozen=True)
class Standing:
    """How a mark stands in weights, read blind by the first rule.

    Args:
        deviations: sums by bit in deviations of chance, the expected sign positive, ``(T,)``.
        gains: by how much a push of one deviation of the weights moves each.
        scales: how far a push of strength 1 moves the weights of each run: their deviation times their share, see ``shares``.
    """

    deviations: Reals
    gains: Reals
    scales: Reals

    @property
    def strength(self) -> float:
        """How large a push is in the weights already, estimated; 0 where chance may have made it look so."""
        mean = float(self.deviations.mean())
        return mean / float(self.gains.mean()) if mean * np.sqrt(len(self.deviations)) > _SURE else 0.0


def standing(
    carriers: Runs, message: npt.NDArray[np.int64], sheets: Sequence[Sheet], scales: Reals | None = None
) -> Standing:
    """Return how far a message is in weights.

    Args:
        carriers: whose bits they are.
        message: 0 or 1 for each bit.
        sheets: the layer of each run.
        scales: of the runs, where they are known.

    Raises:
        SuspectError: a weight is no number.
    """
    sums, gains, counts = np.zeros(carriers.bits), np.zeros(carriers.bits), np.zeros(carriers.bits)
    spreads, room = [], Room()
    for number, (run, sheet, share) in enumerate(zip(carriers.runs, sheets, shares(carriers), strict=True)):
        moments, mine = _Moments(run.weights), np.zeros(carriers.bits)
        for block in run.blocks():
            where, sign = run.placed(block, carriers.bits, room)
            weights = _doubles(sheet[block], room)
            moments.add(weights)
            size = roots(weights, room)
            values = np.divide(weights, size, out=weights).ravel()
            values *= sign
            sums += np.bincount(where, weights=values, minlength=carriers.bits)
            count = np.bincount(where, minlength=carriers.bits)
            counts += count
            # Which weights are a bit's does not depend on how large they are.
            mine += count * float((1 / size).mean()) * _kept(run.width, sheet.together)
        spreads.append(moments.deviation * share if scales is None else float(scales[number]))
        gains += mine * spreads[-1]
    chance = np.sqrt(np.maximum(counts, 1))
    return Standing((2 * message - 1) * sums / chance, np.maximum(gains / chance, 1e-9), np.array(spreads))


def push(
    carriers: Runs, message: npt.NDArray[np.int64], sheets: Sequence[Sheet], *, strength: float, target: float
) -> Standing:
    """Add ``strength * share * deviation * sign * bit`` to every weight, and more where a bit would not be read blind.

    Layers are pushed by their ``shares``, and pushes are ``balanced``. What is there already is topped up: a push of the same
    mark again adds next to nothing.

    Args:
        carriers: whose bits they are.
        message: 0 or 1 for each bit.
        sheets: the layer of each run; changed.
        strength: of every bit at least, in deviations of the layer's weights, on average over weights.
        target: deviations of chance that the weakest bit is to have.

    Returns:
        How the mark stood before.
    """
    now = standing(carriers, message, sheets)
    base = max(strength - now.strength, 0.0)
    pushes = np.maximum(base, (target - now.deviations) / now.gains) * (2 * message - 1)
    room = Room()
    for run, sheet, scale in zip(carriers.runs, sheets, now.scales, strict=True):
        for block in run.blocks():
            where, sign = run.placed(block, carriers.bits, room)
            moves = np.multiply(sign, scale, out=room.array("moves", len(sign), np.float64))
            moves *= pushes[where]
            moved = _doubles(sheet[block], room)
            moved += balanced(moves.reshape(-1, run.width), sheet.together)
            sheet.put(block, moved, _words(run, block, room))
    return now


def shares(carriers: Runs) -> list[float]:
    """Return by how much more or less than on average each run is pushed: as the root of the size of its layer.

    A push of one strength costs a network about as much in a small layer as in a large one, whose many weights say more. By equal
    shares most of the cost would be that of the smallest layers. The best there is for one mark is as the size itself; the root
    comes within a tenth of that and leans less on the largest layer.
    """
    sizes = np.array([run.filters * run.width for run in carriers.runs], np.float64)
    weights = np.array([run.weights for run in carriers.runs], np.float64)
    roots = np.sqrt(sizes)
    found: list[float] = (roots * weights.sum() / (weights @ roots)).tolist()
    return found


def balanced(moves: Reals, together: int) -> Reals:
    """Return moves of weights less their mean over each kernel or, where a kernel is one weight, over each filter.

    What the places of a kernel have in common, and neighbours in a picture are much alike, then comes through as before; likewise
    what all inputs of a linear layer have in common, as those after a ReLU do. A kernel of 3 x 3 keeps 8 parts in 9 of the power.

    Args:
        moves: ``(filters, M)``.
        together: see ``Sheet``.
    """
    parts = moves.reshape(len(moves), -1, _group(moves.shape[1], together))
    return (parts - parts.mean(axis=2, keepdims=True)).reshape(moves.shape) if parts.shape[2] > 1 else moves


def _group(width: int, together: int) -> int:
    return together if together > 1 else width


def _kept(width: int, together: int) -> float:
    """Return the share of a push that is left when pushes are balanced."""
    group = _group(width, together)
    return 1 - 1 / group if group > 1 else 1.0


def turn(carriers: Runs, message: npt.NDArray[np.int64], sheets: Sequence[Sheet]) -> None:
    """Give every weight the sign that its bit and its word say; sizes stay."""
    for run, sheet in zip(carriers.runs, sheets, strict=True):
        for block in run.blocks():
            where, sign = run.assigned(block, carriers.bits)
            turned = np.abs(sheet[block].astype(np.float64)) * (sign * (2 * message - 1)[where]).reshape(-1, run.width)
            sheet.put(block, turned, _words(run, block))


def _words(run: Run, block: slice, room: Room | None = None) -> Words:
    start, count = (block.start - run.first) * run.width, (block.stop - block.start) * run.width
    return stream(run.seed, start, count, ROUNDING, room).reshape(-1, run.width)


def _doubles(found: npt.NDArray[np.floating], room: Room) -> Reals:
    array = room.array("weights", found.shape, np.float64)
    array[:] = found
    return array


def deviation(run: Run, sheet: Sheet) -> float:
    """Return the standard deviation of a run's weights.

    Raises:
        SuspectError: a weight is no number.
    """
    moments = _Moments(run.weights)
    for block in run.blocks():
        moments.add(sheet[block].astype(np.float64))
    return moments.deviation


class _Moments:
    """Running sums of weights, of which ``count`` are to come."""

    def __init__(self, count: int) -> None:
        self._count, self._total, self._squares = count, 0.0, 0.0

    def add(self, values: Reals) -> None:
        """Add some weights.

        Raises:
            SuspectError: one is no number.
        """
        total = float(values.sum())
        if not math.isfinite(total) and not np.isfinite(values).all():
            raise SuspectError("expected finite weights to mark, got NaN or infinity")
        self._total += total
        self._squares += float(np.vdot(values, values))

    @property
    def deviation(self) -> float:
        """The standard deviation of all."""
        mean = self._total / self._count
        return math.sqrt(max(self._squares / self._count - mean * mean, 0.0))


def rounded(values: Reals, words: Words, kind: str) -> npt.NDArray[np.generic]:
    """Return numbers of a type, rounded to one of their two neighbours so that the expectation is right.

    Args:
        values: finite.
        words: uniform, of the same shape; the neighbour further from 0 is taken where ``word / 2**16`` is below the place.
        kind: ``f64``, ``f32``, which round to the nearest; ``f16``; ``bf16``, which comes as uint16.
    """
    if kind in ("f64", "f32"):
        return values.astype(np.float64 if kind == "f64" else np.float32)
    if kind == "bf16":  # the upper half of a float32, whose lower half is the place between two neighbours
        return ((values.astype(np.float32).view(np.uint32) + (65535 - words)) >> 16).astype(np.uint16)
    sizes = np.minimum(np.abs(values), _LARGEST)
    nearest = sizes.astype(np.float16)
    low = np.where(nearest > sizes, np.nextafter(nearest, np.float16(0)), nearest)
    high = np.nextafter(low, np.float16(np.inf))
    place = (sizes - low) / (high.astype(np.float64) - low)
    found: npt.NDArray[np.generic] = np.copysign(np.where(words / 65536 < place, high, low), values).astype(np.float16)
    return found
