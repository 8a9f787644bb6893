"""Filters as onnxruntime's optimiser lays them out for a processor: in blocks of 8 or of 16 channels, filled up with zeros.

Nothing in the file says which processor that was. Sizes tell where only one of them fits; else the layout is taken under which
filters, their inputs and the places of the kernel differ most, as those of a trained network do and numbers in a wrong order do
less; of an untrained network that may be the wrong one, where no filter is filled up.
Found with onnxruntime 1.32.0: blocks of 8 on processors with AVX2, of 16 with AVX512.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape

SIZES = (16, 8)
"""Channels side by side; of two that explain a file equally well the first is taken."""


def block_size(filters: Sequence[tuple[Shape, Callable[[], Array]]]) -> int | None:
    """Return how many channels lie side by side in a file; None where neither number fits.

    Args:
        filters: shapes as they are declared, ``(O, I, H, W)``, and what reads each.
    """
    fit = [size for size in SIZES if all(_fits(shape, size) for shape, _ in filters)]
    if len(fit) < 2:
        return fit[0] if fit else None
    explained = dict.fromkeys(fit, 0.0)
    for _, read in filters:
        tensor = read()
        for size in fit:
            explained[size] += _explained(unblocked(tensor, size))
    return max(fit, key=lambda size: explained[size])


def unblocked(tensor: Array, size: int) -> Array:
    """Return filters ``(O, I, H, W)`` in a row, of the shape declared, from blocks of ``size`` channels."""
    filters, inputs, *kernel = tensor.shape
    if inputs < size:
        return tensor.reshape(filters // size, inputs, *kernel, size).transpose(0, 4, 1, 2, 3).reshape(tensor.shape)
    blocks = tensor.reshape(filters // size, inputs // size, *kernel, size, size)
    return blocks.transpose(0, 5, 1, 4, 2, 3).reshape(tensor.shape)


def filled(tensor: Array, size: int) -> tuple[int, int]:
    """Return how many filters and inputs at the end, less than a block, hold zeros alone."""
    return _zeros((tensor != 0).any(axis=(1, 2, 3)), size), _zeros((tensor != 0).any(axis=(0, 2, 3)), size)


def _zeros(used: Iterable[np.bool_], size: int) -> int:
    places = np.flatnonzero(np.asarray(used))
    if not len(places):
        return 0
    return min(len(np.asarray(used)) - 1 - int(places[-1]), size - 1)


def _fits(shape: Shape, size: int) -> bool:
    return len(shape) == 4 and all(shape) and shape[0] % size == 0 and (shape[1] < size or shape[1] % size == 0)


def _explained(tensor: Array) -> float:
    """Return how many numbers' worth of the squares' variance filters, inputs and places have as a whole, beyond chance."""
    squares = np.square(tensor.astype(np.float64)).reshape(*tensor.shape[:2], -1)
    if not np.isfinite(squares).all() or not (total := float(squares.var())) > 0:
        return 0.0
    means = (squares.mean(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3))
    by_chance = sum(squares.shape) - 3  # of numbers that are alike, each mean takes one
    return squares.size * sum(float(mean.var()) for mean in means) / total - by_chance
