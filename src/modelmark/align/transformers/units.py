"""Which hidden unit of a suspect is which of the host's, and of what size."""

from dataclasses import dataclass

import numpy as np

from modelmark.align.transformers import seen
from modelmark.align.transformers.assigning import assigned
from modelmark.align.transformers.seen import Indices
from modelmark.blocks import units as changing
from modelmark.blocks.description import Part, State, Units
from modelmark.blocks.views import Changed, Reals, matrix, put, vector

_CLEAR = 0.05
_COLUMNS = 512
"""Numbers of the stream that say which unit is which."""


@dataclass(frozen=True, eq=False)
class Order:
    """Where the host's units are.

    Args:
        order: the suspect's unit for each of the host's.
        factors: by which what makes each is multiplied.
        there: how many units the suspect has; fewer than the host's are filled up with silent ones.
    """

    order: Indices
    factors: Reals
    there: int

    def apply(self, state: Changed, units: Units) -> None:
        """Put the units into the host's order and sizes, in place."""
        _widen(state, units, len(self.order))
        changing.permute(state, units, self.order)
        if (self.factors != 1).any():
            changing.scale(state, units, self.factors)


def found(host: State, suspect: State, part: Part, units: Units, *, centred: bool) -> Order:
    """Return where the host's units are in a part that is in the host's frame.

    Args:
        host: read only.
        suspect: read only.
        part: of the units.
        units: that are looked for.
        centred: whether LayerNorm follows what reads the units.
    """
    count = len(matrix(host, units.makers[0]))
    ours, theirs = (_rows(state, part, units, centred) for state in (host, suspect))
    there = len(theirs[1][0])
    if there < count:
        theirs = tuple([np.pad(each, ((0, count - there), (0, 0))) for each in side] for side in theirs)  # type: ignore[assignment]
    width = min(ours[1][0].shape[1], theirs[1][0].shape[1])
    columns = seen.spaced(width, _COLUMNS)
    held, turned = (
        sum(
            (_cosines(a, b, columns) for a, b in zip(ours[side], theirs[side], strict=True)),
            np.zeros((count, max(count, there))),
        )
        for side in (0, 1)
    )
    order = assigned(held + (np.abs(turned) if units.freedom in ("any", "signs") else turned))
    signs = np.sign(turned[np.arange(count), order]) if units.freedom in ("any", "signs") else np.ones(count)
    factors = np.where(signs < 0, -1.0, 1.0)
    if units.freedom in ("any", "positive"):
        sizes = _sizes(ours[1], [each[order] for each in theirs[1]], len(units.scaled))
        if np.median(np.abs(np.log(sizes))) > _CLEAR:
            factors = factors * sizes
    return Order(order, factors, there)


def _rows(state: State, part: Part, units: Units, centred: bool) -> tuple[list[Reals], list[Reals]]:
    """Return what no factor changes, and what makes and what reads each unit, all ``(units, N)``."""
    held = [seen.read(state, part, linear) for linear in units.makers if linear not in units.scaled]
    makers = [seen.read(state, part, linear) for linear in units.scaled]
    if part.path:
        return held, makers + [seen.written(state, linear, centred=centred).T for linear in units.readers]
    return held, makers + [matrix(state, linear).T for linear in units.readers]


def _cosines(ours: Reals, theirs: Reals, columns: Indices) -> Reals:
    picked = columns[columns < min(ours.shape[1], theirs.shape[1])]
    return seen.unit(ours[:, picked]) @ seen.unit(theirs[:, picked]).T


def _sizes(ours: list[Reals], theirs: list[Reals], makers: int) -> Reals:
    """Return the factors after which what makes and what reads a unit differ from the host's by the same one."""
    lengths = [
        [np.sqrt(sum((each**2).sum(axis=1) for each in part)) for part in (side[:makers], side[makers:])]
        for side in (ours, theirs)
    ]
    (made, read), (other_made, other_read) = lengths
    both = (made > 0) & (read > 0) & (other_made > 0) & (other_read > 0)
    ratio = np.divide(made * other_read, other_made * read, out=np.ones_like(made), where=both)
    found: Reals = np.sqrt(np.where(both, ratio, 1.0))
    return found


def _widen(state: Changed, units: Units, count: int) -> None:
    """Add silent units until there are ``count``, in place."""
    for linear in units.makers:
        weight, bias = matrix(state, linear), vector(state, linear)
        if (lacking := count - len(weight)) > 0:
            put(
                state,
                linear,
                np.pad(weight, ((0, lacking), (0, 0))),
                None if bias is None else np.pad(bias, (0, lacking)),
            )
    for linear in units.readers:
        weight = matrix(state, linear)
        if (lacking := count - weight.shape[1]) > 0:
            put(state, linear, np.pad(weight, ((0, 0), (0, lacking))))
