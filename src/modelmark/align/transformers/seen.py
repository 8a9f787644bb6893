"""Weights as the stream sees them: gains of norms in what reads them, and without what LayerNorm throws away."""

import numpy as np
import numpy.typing as npt

from modelmark.blocks.description import Linear, Norm, Part, State
from modelmark.blocks.views import Reals, matrix

Indices = npt.NDArray[np.int64]


def read(state: State, part: Part, linear: Linear) -> Reals:
    """Return a reader's weights behind its norm, ``(outputs, stream)``; behind LayerNorm each row less its mean."""
    norm = norm_of(part, linear)
    if norm is None:
        return matrix(state, linear)
    weight = matrix(state, linear) * state[norm.weight].astype(np.float64)
    return weight - weight.mean(axis=1, keepdims=True) if norm.centred else weight


def written(state: State, linear: Linear, *, centred: bool, inputs: Indices | None = None) -> Reals:
    """Return a writer's weights, ``(stream, inputs)``; where LayerNorm follows each column less its mean.

    Args:
        state: read only.
        linear: the writer.
        centred: whether LayerNorm follows.
        inputs: the columns wanted; all unless given.
    """
    weight = matrix(state, linear, inputs)
    return weight - weight.mean(axis=0) if centred else weight


def norm_of(part: Part, linear: Linear) -> Norm | None:
    """Return the norm behind which a layer reads the stream; None where the stream itself has passed one."""
    return next((norm for norm in part.norms if linear in norm.readers), None)


def unit(rows: Reals) -> Reals:
    """Return rows of length 1; those of zeros stay, and what is no number is zero."""
    rows = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Reals = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found


def spaced(count: int, most: int) -> Indices:
    """Return at most so many of the first numbers, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
