"""The frame of a suspect: in which order, basis and size its residual stream is written, in units of the host's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelmark.align.transformers import seen
from modelmark.align.transformers.assigning import assigned
from modelmark.align.transformers.seen import Indices
from modelmark.blocks import stream
from modelmark.blocks.description import Norm, Part, State, Transformer
from modelmark.blocks.views import Changed, Reals, matrix

LIKE = 0.5
"""Cosine of what is compared from which on an order explains it; below, any basis is tried."""
_CLEAR = 0.05
"""Logarithm beyond which sizes count as changed; training moves them less, and undoing that would cost a push some size."""
_LARGE = 0.1
"""Lengths of a filter from which on a difference in what LayerNorm throws away is a thief's."""
_NOTHING, _SPANNED = 1e-300, 1e-10
_COLUMNS = 4
"""Columns of a table that are compared, in widths of the stream."""

Pair = tuple[Reals, Reals]
"""The host's and the suspect's weights on one side of which is the stream, ``(stream, N)`` both."""


@dataclass(frozen=True, eq=False)
class Frame:
    """How the suspect's stream is put into the host's coordinates.

    Args:
        order: the suspect's place for each of the host's; None where the basis is another.
        basis: Q, by which the suspect's stream is multiplied, where no order explains it; zero where nothing is known yet.
        factor: by which what it writes is multiplied.
        like: cosine of the host's and the suspect's weights in it.
    """

    order: Indices | None
    basis: Reals | None
    factor: float
    like: float

    @property
    def completed(self) -> "Frame":
        """The same, with what is not known of its basis filled up to a rotation."""
        if self.basis is None:
            return self
        left, _, right = np.linalg.svd(self.basis)
        return replace(self, basis=left @ right)

    def apply(self, state: Changed, host: State, part: Part) -> None:
        """Put a part of the suspect into the host's frame, in place."""
        if self.basis is not None:
            gains = {norm.weight: _alive(host[norm.weight]) for norm in part.norms}
            stream.turn(state, part, self.basis, gains)
        elif self.order is not None:
            stream.permute(state, part, self.order)
        if self.factor != 1:
            stream.scale(state, part, self.factor)


def outside(host: State, suspect: State, described: Transformer) -> list[Pair]:
    """Return what lies outside of blocks: tables, whose other side are tokens, places and pixels, and the head's classes."""
    part, pairs = described.outside, []
    centred = described.centred
    for linear in part.writers:
        count = [_inputs(state, linear.weight, described.width) for state in (host, suspect)]
        inputs = seen.spaced(min(count), _COLUMNS * described.width)
        both = [seen.written(state, linear, centred=centred, inputs=inputs) for state in (host, suspect)]
        pairs.append((both[0], both[1]))
    if described.pre or not part.units:
        pairs += _read(host, suspect, part, most=_COLUMNS * described.width)
    return pairs


def within(host: State, suspect: State, part: Part, *, centred: bool) -> list[Pair]:
    """Return all of a block, whose heads and units stand in the host's order already.

    What all outputs of a reader have in common is left out: a mark may be in it, and is not in the host's.
    """
    pairs = [
        (seen.written(host, linear, centred=centred), seen.written(suspect, linear, centred=centred))
        for linear in part.writers
    ]
    return pairs + [(_varying(ours), _varying(theirs)) for ours, theirs in _read(host, suspect, part)]


def found(pairs: Iterable[Pair], described: Transformer) -> Frame:
    """Return the frame in which pairs are most alike, an order if one explains them."""
    pairs = [pair for pair in pairs if pair[0].shape == pair[1].shape]
    identity = np.arange(described.width)
    if not pairs:
        return Frame(identity, None, 1.0, 0.0)
    alike = np.zeros((described.width, described.width))
    for ours, theirs in pairs:
        alike += seen.unit(ours) @ seen.unit(theirs).T
    order = assigned(alike)
    like = _cosine(pairs, lambda rows: rows[order])
    if not described.pre:
        return Frame(order, None, 1.0, like)
    if like >= LIKE:
        return Frame(order, None, _factor(pairs[0][0], pairs[0][1]), like)
    basis = _rotation(pairs, described)
    turned = _cosine(pairs, lambda rows: basis @ rows)
    return Frame(None, basis, _factor(pairs[0][0], pairs[0][1]), turned)


def level(state: Changed, host: State, part: Part) -> None:
    """Divide changes of size between norms' gains and what reads them as the host does, where they are clear, in place.

    Args:
        state: of a part whose heads and units stand in the host's order and bases.
        host: read only.
        part: of both.
    """
    for norm in (norm for norm in part.norms if norm.readers):
        gains = _alive(host[norm.weight]) / _alive(state[norm.weight])
        sums = [
            sum((seen.read(each, part, linear) ** 2).sum(axis=0) for linear in norm.readers) for each in (host, state)
        ]
        factors = gains * (np.maximum(sums[1], _NOTHING) / np.maximum(sums[0], _NOTHING)) ** 0.25
        if np.median(np.abs(np.log(np.abs(factors)))) > _CLEAR or (factors < 0).any():
            stream.weigh(state, norm, factors)


def restore_means(state: Changed, host: State, part: Part, *, centred: bool) -> None:
    """Give a part in the host's coordinates the host's share of what LayerNorm throws away, where it is out of proportion."""
    if centred:
        added = {}
        for linear in part.writers:
            ours, theirs = matrix(host, linear), matrix(state, linear)
            lacking = ours.mean(axis=0) - theirs.mean(axis=0) if ours.shape == theirs.shape else np.zeros(1)
            if np.linalg.norm(lacking) > _LARGE * np.median(np.linalg.norm(ours, axis=1)):
                added[linear.weight] = lacking
        stream.raise_written(state, part, added)
    for norm in part.norms:
        if norm.centred:
            _restore_read(state, host, norm)


def _restore_read(state: Changed, host: State, norm: Norm) -> None:
    added = {}
    for linear in norm.readers:
        ours, theirs = (matrix(each, linear) * each[norm.weight].astype(np.float64) for each in (host, state))
        if ours.shape == theirs.shape:
            lacking = ours.mean(axis=1) - theirs.mean(axis=1)
            if np.linalg.norm(lacking) * ours.shape[1] ** 0.5 > _LARGE * np.linalg.norm(ours):
                added[stream.key_of(linear.weight, linear.rows)] = lacking
    stream.raise_read(state, norm, added)


def _read(host: State, suspect: State, part: Part, most: int = 0) -> list[Pair]:
    pairs = []
    for linear in part.readers:
        ours, theirs = (seen.read(state, part, linear).T for state in (host, suspect))
        if most:
            picked = seen.spaced(min(ours.shape[1], theirs.shape[1]), most)
            ours, theirs = ours[:, picked], theirs[:, picked]
        pairs.append((ours, theirs))
    return pairs


def _varying(rows: Reals) -> Reals:
    found: Reals = rows - rows.mean(axis=1, keepdims=True)
    return found


def _inputs(state: State, name: str, width: int) -> int:
    return int(state[name].size // width)


def _cosine(pairs: list[Pair], put: Callable[[Reals], Reals]) -> float:
    """Return how alike pairs are, on average, once the suspect's rows are put into place."""
    found = []
    for ours, theirs in pairs:
        size = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
        found.append(float((ours * put(theirs)).sum()) / size if size > 0 else 0.0)
    return float(np.nan_to_num(np.mean(found)))


def _rotation(pairs: list[Pair], described: Transformer) -> Reals:
    """Return the rotation that brings the suspect's rows nearest to the host's (Procrustes); behind LayerNorm it keeps ones.

    What the pairs do not span is left out, so that it says nothing of what is compared in this basis.
    """
    cross = np.zeros((described.width, described.width))
    for ours, theirs in pairs:
        if size := np.linalg.norm(ours) * np.linalg.norm(theirs):
            cross += np.nan_to_num(ours @ theirs.T / size)
    if any(norm.centred for part in described.parts for norm in part.norms):
        cross = cross - cross.mean(axis=0) - cross.mean(axis=1, keepdims=True) + cross.mean()
        cross += np.abs(cross).sum() / described.width  # the vector of ones goes to itself first
    left, sizes, right = np.linalg.svd(cross)
    made: Reals = (left * (sizes > _SPANNED * sizes.max(initial=0))) @ right
    return made


def _factor(ours: Reals, theirs: Reals) -> float:
    ratio = float(np.linalg.norm(ours) / (np.linalg.norm(theirs) or 1.0))
    return ratio if ratio and abs(np.log(ratio)) > _CLEAR else 1.0


def _alive(gains: npt.NDArray[np.floating]) -> Reals:
    """Return gains none of which is zero."""
    known = np.nan_to_num(gains.astype(np.float64))
    least = 1e-12 * max(float(np.abs(known).max(initial=0)), 1e-12)
    return np.where(np.abs(known) < least, least, known)
