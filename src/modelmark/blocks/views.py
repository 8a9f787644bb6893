"""Linear maps as matrices ``(outputs, inputs)``, however their tensors lie."""

from collections.abc import MutableMapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelmark.blocks.description import Linear, State

Reals: TypeAlias = npt.NDArray[np.float64]
Changed: TypeAlias = MutableMapping[str, npt.NDArray[np.floating]]
"""A state whose tensors are replaced."""


def matrix(state: State, linear: Linear, inputs: npt.NDArray[np.int64] | None = None) -> Reals:
    """Return a map, float64 ``(outputs, inputs)``; the inputs of a kernel are its channels and places.

    Args:
        state: read only.
        linear: the map.
        inputs: the columns wanted; all unless given.
    """
    found = _rows(state[linear.weight], linear)[_part(linear)]
    return (found if inputs is None else found[:, inputs]).astype(np.float64)


def vector(state: State, linear: Linear) -> Reals | None:
    """Return the bias of a map, float64 ``(outputs,)``; None: it has none."""
    return state[linear.bias].astype(np.float64)[_part(linear)] if linear.bias else None


def put(state: Changed, linear: Linear, weight: Reals, bias: Reals | None = None) -> None:
    """Replace a map and, where one is given, its bias; float64, whatever was there.

    A map with another number of outputs or inputs than before makes its tensor larger or smaller, unless it holds others too.
    """
    old = state[linear.weight]
    if linear.rows is not None:
        whole = _rows(old, linear).astype(np.float64)
        whole[_part(linear)] = weight
        weight = whole
    if linear.turned:
        new = weight.T.reshape(*old.shape[:-1], -1) if weight.shape[1] == old.size // old.shape[-1] else weight.T
    else:
        new = weight.reshape(len(weight), *old.shape[1:]) if old.ndim > 2 else weight
    state[linear.weight] = np.ascontiguousarray(new)
    if bias is not None and linear.bias:
        vectors = state[linear.bias].astype(np.float64)
        if linear.rows is not None:
            vectors[_part(linear)] = bias
            bias = vectors
        state[linear.bias] = bias


def _rows(tensor: npt.NDArray[np.floating], linear: Linear) -> npt.NDArray[np.floating]:
    if linear.turned:
        return tensor.reshape(-1, tensor.shape[-1]).T
    return tensor.reshape(len(tensor), -1)


def _part(linear: Linear) -> slice:
    return slice(None) if linear.rows is None else slice(*linear.rows)
