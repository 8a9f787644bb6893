"""The least change of a mean filter that brings every projection to its margin: what training for ``uchida`` moves, at once.

The gradient of the paper's loss is one vector for all filters of the layer, so training adds such vectors to each of them. The
shortest that serves solves a least-distance problem: minimise ``|d|`` where ``A d >= c``, with rows ``A_j = (2 b_j - 1) X_j`` and
``c = margin - A w``. Source: Lawson and Hanson, "Solving least squares problems", 1974, chapter 23: a problem of non-negative
least squares with one more row gives d.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import nn

from modelmark.carriers.rows import real
from modelmark.networks import layers, shards
from modelmark.suspects.torching import array

Numbers = npt.NDArray[np.float64]

DEVIATIONS = 3.0
"""The margin, in deviations of what an unmarked layer of such weights projects to. At one, LeNet-5 and a digits net lose 2 and 12
of some 200 bits when 65 % of all weights are pruned; at three none, at 0.03 points of accuracy (tried by hand, one host each)."""
_SLACK = 1.001
"""Weights are rounded when the change is added."""


def settle(
    model: nn.Module, layer: layers.Layer, matrix: npt.NDArray[Any], message: npt.NDArray[np.int64], margin: float
) -> None:
    """Add the least vector to every filter of a layer, in place; nothing where there is none, or the weight is no parameter.

    Args:
        model: changed.
        layer: that is marked.
        matrix: X, as ``Rows`` has it, ``(T, M)``.
        message: bits, ``(T,)``.
        margin: that every bit has at least, whatever the deviation is.
    """
    weight = layers.weight(model, layer.path)
    if not isinstance(weight, nn.Parameter) or shards.is_cut(weight):
        return
    filters = array(layers.rows(model, layer).detach().flatten(1)).astype(np.float64)
    mean = filters.mean(axis=0)
    projected = real(matrix)
    rows = projected * (2 * message - 1)[:, None]
    length = float(np.linalg.norm(filters - mean)) / len(
        filters
    )  # of the mean of independent filters; no mark is in it
    deviation = length * float(np.sqrt((projected**2).mean()))
    found = least(rows, _SLACK * max(margin, DEVIATIONS * deviation) - rows @ mean)
    if found is not None:
        with torch.no_grad():
            shards.add(weight, torch.from_numpy(found).to(weight.device), layer.layout)


def least(rows: Numbers, wanted: Numbers) -> Numbers | None:
    """Return the shortest d with ``rows @ d >= wanted``, ``(M,)``; None where there is none, or none is found.

    Args:
        rows: A, ``(T, M)``.
        wanted: c, ``(T,)``.
    """
    if (wanted <= 0).all():
        return np.zeros(rows.shape[1])
    basis = None
    if rows.shape[1] > len(rows):  # d lies in the span of the rows, so that there need be no more columns than those
        basis, upper = np.linalg.qr(rows.T)
        rows = upper.T
    scale = float(np.abs(wanted).max())
    stacked = np.vstack([rows.T, wanted / scale])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    try:
        weights, _ = nnls(stacked, target, maxiter=30 * len(rows))
    except RuntimeError:  # more steps than are allowed
        return None
    rest = stacked @ weights - target
    if rest[-1] > -1e-12:
        return None
    short: Numbers = -scale * rest[:-1] / rest[-1]
    return short if basis is None else basis @ short
