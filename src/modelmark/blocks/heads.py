"""Heads in another order, and what each of them passes on in another basis. All changes are made in place.

``q k`` stays where queries are multiplied by ``A`` and keys by its inverse, transposed; ``O v`` where values are multiplied by
``B`` and what reads them by its inverse. Heads that share keys and values share both, and are reordered within their group.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelmark.blocks.description import Attention, Linear
from modelmark.blocks.views import Changed, Reals, matrix, put, vector


def size(state: Changed, attention: Attention) -> int:
    """Return how many numbers a head passes on."""
    return int(matrix(state, attention.out).shape[1]) // attention.heads


def permute(
    state: Changed, attention: Attention, groups: npt.NDArray[np.int64], within: Sequence[npt.NDArray[np.int64]]
) -> None:
    """Put groups of heads, and the heads of each group, into another order.

    Args:
        state: changed in place.
        attention: its heads.
        groups: the old place of each new group.
        within: for each new group the old places of its heads within it.
    """
    each = attention.heads // attention.groups
    heads = np.concatenate([group * each + order for group, order in zip(groups, within, strict=True)])
    width = size(state, attention)
    _reorder(state, attention.query, features(heads, width))
    _reorder(state, attention.key, features(groups, width))
    _reorder(state, attention.value, features(groups, width))
    put(state, attention.out, matrix(state, attention.out)[:, features(heads, width)])


def turn(state: Changed, attention: Attention, asked: Reals, passed: Reals) -> None:
    """Write queries and keys, and values, in other bases.

    Args:
        state: changed in place.
        attention: its heads.
        asked: A of each group, ``(groups, size, size)``; queries are multiplied by it.
        passed: B of each group, likewise; values are multiplied by it.
    """
    each = attention.heads // attention.groups
    back = np.linalg.inv(passed).repeat(each, axis=0)
    _multiply(state, attention.query, asked.repeat(each, axis=0))
    _multiply(state, attention.key, np.linalg.inv(asked).transpose(0, 2, 1).astype(np.float64))
    _multiply(state, attention.value, passed)
    out = matrix(state, attention.out)
    heads = out.reshape(len(out), attention.heads, -1)
    put(state, attention.out, np.einsum("dhi,hij->dhj", heads, back).reshape(out.shape))


def features(order: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int64]:
    """Return the places of the features of heads in an order."""
    return (order[:, None] * width + np.arange(width)).ravel()


def _reorder(state: Changed, linear: Linear, places: npt.NDArray[np.int64]) -> None:
    bias = vector(state, linear)
    put(state, linear, matrix(state, linear)[places], None if bias is None else bias[places])


def _multiply(state: Changed, linear: Linear, bases: Reals) -> None:
    weight, bias = matrix(state, linear), vector(state, linear)
    count, width = bases.shape[:2]
    made = np.einsum("gij,gjd->gid", bases, weight.reshape(count, width, -1)).reshape(weight.shape)
    moved = None if bias is None else np.einsum("gij,gj->gi", bases, bias.reshape(count, width)).ravel()
    put(state, linear, made, moved)
