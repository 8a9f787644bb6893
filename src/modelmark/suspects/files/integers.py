"""Integers as the numbers that they stand for: less a zero point, times a scale, of the tensor, of a filter, or of a block."""

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import spreads


def numbers(tensor: Array, scale: Array | None, zero: Array | None, axis: int) -> Array:
    """Return ``(tensor - zero) * scale`` as float32.

    Args:
        tensor: integers.
        scale: one, one for each entry along ``axis``, or one for each block of those; left out: 1.
        zero: of the same shape; left out: 0.
        axis: of the tensor.

    Raises:
        MalformedError: they do not go with the tensor.
    """
    found, axes = tensor.astype(np.float32), tensor.ndim
    for given, is_scale in ((zero, False), (scale, True)):
        if given is None:
            continue
        part = given.astype(np.float32)
        if part.size == 1:
            part = part.reshape(())
        elif not -axes <= axis < axes:
            raise MalformedError(f"expected scales along an axis of integers of {axes} axes, got axis {axis}")
        elif part.ndim == 1:
            part = part.reshape([-1 if number == axis % axes else 1 for number in range(axes)])
        elif part.ndim == axes and part.shape[axis] and _agree(part, tensor, axis % axes):
            size = -(-tensor.shape[axis] // part.shape[axis])  # one for each block along the axis
            part = part.repeat(size, axis).take(range(tensor.shape[axis]), axis)
        if not spreads(part.shape, tensor.shape):
            raise MalformedError(
                f"expected scales for integers of shape {tuple(tensor.shape)}, got {tuple(part.shape)}"
            )
        found = found * part if is_scale else found - part
    return np.asarray(found)


def _agree(part: Array, whole: Array, axis: int) -> bool:
    sizes = zip(part.shape, whole.shape, strict=True)
    return all(size == full for number, (size, full) in enumerate(sizes) if number != axis)
