"""The residual stream in another order, size and basis. Changes of one part are made in place; do all parts alike.

Behind RMSNorm every rotation is free: gains go into what reads the norm, and ``n(Q x) = Q n(x)``. LayerNorm takes the mean over
the stream away first, so a rotation must leave the vector of ones where it is, and that mean may be anything.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from modelmark.blocks.description import Norm, Part, State
from modelmark.blocks.views import Changed, Reals, matrix, put, vector

_SMALL = 1e-12
"""Gain, relative to the largest, that counts as no smaller."""


def permute(state: Changed, part: Part, order: npt.NDArray[np.int64]) -> None:
    """Put the stream into another order: its place ``c`` is what was at ``order[c]``."""
    for linear in part.writers:
        bias = vector(state, linear)
        put(state, linear, matrix(state, linear)[order], None if bias is None else bias[order])
    for linear in part.readers:
        put(state, linear, matrix(state, linear)[:, order])
    for norm in part.norms:
        for name in filter(None, (norm.weight, norm.bias)):
            state[name] = state[name][order]


def scale(state: Changed, part: Part, factor: float) -> None:
    """Multiply the stream by a factor, which norms take back; where they add an epsilon, that must be squared along."""
    for linear in part.writers:
        bias = vector(state, linear)
        put(state, linear, matrix(state, linear) * factor, None if bias is None else bias * factor)


def turn(state: Changed, part: Part, basis: Reals, gains: Mapping[str, Reals] | None = None) -> None:
    """Write the stream in another basis, ``Q x`` for x.

    Args:
        state: changed in place.
        part: of a network with ``pre``.
        basis: Q, orthogonal ``(d, d)``; behind LayerNorm it must keep the vector of ones.
        gains: of norms afterwards, by the names of their weights; 1 where none are given.
    """
    for linear in part.writers:
        bias = vector(state, linear)
        put(state, linear, basis @ matrix(state, linear), None if bias is None else basis @ bias)
    for norm in part.norms:
        old = _gain(state, norm)
        new = np.ones_like(old) if gains is None else gains[norm.weight]
        for linear in norm.readers:
            put(state, linear, (matrix(state, linear) * old) @ basis.T / new)
        state[norm.weight] = new.copy()
        if norm.bias:
            state[norm.bias] = new * (basis @ (state[norm.bias].astype(np.float64) / old))


def weigh(state: Changed, norm: Norm, factors: Reals) -> None:
    """Multiply a norm's gains, and its biases, by factors that its readers take back, in place."""
    for linear in norm.readers:
        put(state, linear, matrix(state, linear) / factors)
    for name in filter(None, (norm.weight, norm.bias)):
        state[name] = state[name] * factors


def raise_written(state: Changed, part: Part, vectors: Mapping[str, Reals]) -> None:
    """Add to what writers write a number that is the same all over the stream, in place; LayerNorm takes it away.

    Args:
        state: changed in place.
        part: of a network with ``centred``.
        vectors: by the name of a writer's weight, ``(inputs,)``: added to each of its outputs.
    """
    for linear in part.writers:
        if linear.weight in vectors:
            put(state, linear, matrix(state, linear) + vectors[linear.weight])


def raise_read(state: Changed, norm: Norm, vectors: Mapping[str, Reals]) -> None:
    """Add to each reader's outputs a multiple of the sum over what LayerNorm gives it before its gains, in place: it is zero.

    Args:
        state: changed in place.
        norm: centred.
        vectors: by the name of a reader's weight and its first row, ``(outputs,)``.
    """
    gain = _gain(state, norm)
    shift = state[norm.bias].astype(np.float64) / gain if norm.bias else np.zeros_like(gain)
    for linear in norm.readers:
        added = vectors.get(key_of(linear.weight, linear.rows))
        bias = vector(state, linear)
        if added is not None and (bias is not None or not norm.bias):
            put(
                state,
                linear,
                matrix(state, linear) + added[:, None] / gain,
                None if bias is None else bias - added * shift.sum(),
            )


def key_of(weight: str, rows: tuple[int, int] | None) -> str:
    """Return what names a map that may share its tensor with others."""
    return weight if rows is None else f"{weight}[{rows[0]}]"


def _gain(state: State, norm: Norm) -> Reals:
    """Return a norm's gains, none of them zero."""
    gain = state[norm.weight].astype(np.float64)
    least = _SMALL * max(float(np.abs(gain).max(initial=0)), _SMALL)
    return np.where(np.abs(gain) < least, least, gain)
