"""Pushing weights for one recipient: by as much as ``spread`` on average, but each weight by another amount.

Whoever compares copies that were all pushed equally far sees two values of a weight, and the middle of the two is the unmarked
weight. So sizes are drawn, for each recipient anew, from the exponential distribution: how far copies lie apart then says little
about where between them the unmarked weight is, and the middle of the outermost ones holds about as much of each message as the
mean does.

Source: that fingerprints whose sizes end somewhere fall to minimum, maximum and midrange is known from Wu, Trappe, Wang and
Liu, "Collusion-resistant fingerprinting for multimedia", 2004; the distribution here is our own choice.
"""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from modelmark import hashing
from modelmark.carriers.room import Room
from modelmark.carriers.spread import Run, Runs, stream
from modelmark.copies.reading import require_spread
from modelmark.errors import NotEmbeddedError
from modelmark.marks.marks import Mark
from modelmark.schemes import _pushing, spread

if TYPE_CHECKING:
    from torch import nn

_SIZES = np.array([
    3491, 2701, 2333, 2091, 1910, 1766, 1646, 1543, 1453, 1373, 1301, 1235, 1175, 1120, 1068, 1020,
    975, 933, 893, 855, 819, 785, 752, 721, 691, 662, 634, 608, 582, 557, 533, 510,
    488, 466, 445, 424, 404, 385, 366, 347, 329, 312, 295, 278, 261, 245, 230, 215,
    200, 185, 170, 156, 143, 129, 116, 103, 90, 77, 65, 52, 40, 29, 17, 6,
]) / 1000  # fmt: skip
"""The middles of 64 equally likely parts of the exponential distribution, of mean square 1."""


def personal(model: "nn.Module", mark: Mark) -> "nn.Module":
    """Return a copy of a trained model for the recipient of a mark's draw.

    Args:
        model: left as it is.
        mark: of a ``spread`` key, its draw for a recipient: ``Mark(key, draw.of(name))``.

    Raises:
        UsageError: a mark of another scheme.
        MismatchError: the model lacks a layer that is marked.
        SuspectError: a weight is no number.
        NotEmbeddedError: a bit is not there.
    """
    require_spread(mark)
    copied = copy.deepcopy(model)
    disperse(mark, spread.sheets(copied, mark.carriers))  # type: ignore[arg-type]
    return copied


def disperse(mark: Mark, sheets: Sequence[_pushing.Sheet]) -> None:
    """Push weights for the recipient of a mark's draw.

    Args:
        mark: see ``personal``.
        sheets: the layer of each of its runs; changed.

    Raises:
        SuspectError: a weight is no number.
        NotEmbeddedError: against the weights as they were, a bit is not read as it should be.
    """
    carriers, towards = mark.carriers, 2.0 * mark.message - 1
    assert isinstance(carriers, Runs)
    strength, moved = float(mark.key.scheme.strength or 0), np.zeros(carriers.bits)  # type: ignore[attr-defined]
    room, own = Room(), Room()
    for run, sheet, share in zip(carriers.runs, sheets, _pushing.shares(carriers), strict=True):
        push = strength * share * _pushing.deviation(run, sheet)
        seed = hashing.digest("copy sizes", run.seed, mark.draw.seed)
        for block in run.blocks():
            where, sign = run.placed(block, carriers.bits, room)
            moves = (push * _SIZES)[_words(seed, run, block, 0, own) >> 10]
            moves *= sign
            moves *= towards[where]
            before = sheet[block].astype(np.float64)
            after = before + _pushing.balanced(moves.reshape(before.shape), sheet.together)
            sheet.put(block, after, _words(seed, run, block, _pushing.ROUNDING, own).reshape(before.shape))
            came = np.subtract(sheet[block], before, out=after).ravel()
            came *= sign
            moved += np.bincount(where, weights=came, minlength=carriers.bits)
    wrong = int((moved * towards <= 0).sum())
    if wrong:
        raise NotEmbeddedError(
            f"expected every bit in the copy, {wrong} of {carriers.bits} are not",
            hint="a key of fewer bits, or of more strength",
        )


def _words(seed: bytes, run: Run, block: slice, use: int, room: Room) -> npt.NDArray[np.uint16]:
    start, count = (block.start - run.first) * run.width, (block.stop - block.start) * run.width
    return stream(seed, start, count, use, room)
