"""Abstract trigger pictures from the secret, in integer arithmetic: the same uint8 pixels on every machine.

A picture is a smooth random field folded into bands, coloured through a random palette and shaded by a second field:
low frequencies, wide tonal range, nothing a camera saw. White noise would be easier to filter and harder to learn.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelmark.key.secret import Secret

_OCTAVES = ((2, 8), (3, 6), (5, 3))
"""Grid cells across the picture, and the weight of that grid."""
_PALETTE = 4
_TOP = 65535

Integers = npt.NDArray[np.int64]


def render(secret: Secret, count: int, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return ``count`` pictures, uint8 ``(count, *shape)``; ``shape`` is channels first, of any rank."""
    channels, height, width = planes(shape)
    structure = _field(secret, "structure", count, height, width)
    bands = 1 + secret.integers("trigger/bands", 4, count)
    folded = structure * bands[:, None, None] % (2 * _TOP)
    folded = np.minimum(folded, 2 * _TOP - folded)
    palette = secret.integers("trigger/palette", 256, count * channels * _PALETTE).reshape(count, channels, _PALETTE)
    colour = _lookup(palette, folded)
    shade = 3 * _TOP // 4 + _field(secret, "shade", count, height, width) // 4
    return _stretch(colour * shade[:, None]).reshape(count, *shape)


def planes(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return channels, height and width of a shape of any rank, channels first."""
    if len(shape) == 1:
        return 1, 1, shape[0]
    return shape[0], math.prod(shape[1:-1]), shape[-1]


def _field(secret: Secret, label: str, count: int, height: int, width: int) -> Integers:
    """Return smooth fields ``(count, height, width)`` with values ``0 .. 65535``, each stretched to the full range."""
    total = np.zeros((count, height, width), np.int64)
    for cells, weight in _OCTAVES:
        points = cells + 1
        noise = secret.integers(f"trigger/{label}/{cells}", _TOP + 1, count * points * points)
        grid = noise.reshape(count, points, points)
        rows = _interpolate(grid.swapaxes(1, 2), cells, height).swapaxes(1, 2)
        total += weight * _interpolate(rows, cells, width)
    low = total.min(axis=(1, 2), keepdims=True)
    span = np.maximum(total.max(axis=(1, 2), keepdims=True) - low, 1)
    return (total - low) * _TOP // span


def _interpolate(grid: Integers, cells: int, size: int) -> Integers:
    """Return the last axis, ``cells + 1`` points, read at ``size`` pixel centres with a smooth step between points."""
    position = (2 * np.arange(size, dtype=np.int64) + 1) * cells * 128 // size
    cell, part = position >> 8, position & 255
    part = part * part * (768 - 2 * part) >> 16
    return (grid[..., cell] * (256 - part) + grid[..., cell + 1] * part) >> 8


def _lookup(palette: Integers, value: Integers) -> Integers:
    """Return palette colours ``(count, channels, height, width)`` at ``value`` in ``0 .. 65535``, times 65536."""
    scaled = value * (_PALETTE - 1)
    slot = np.minimum(scaled // (_TOP + 1), _PALETTE - 2)
    part = (scaled - slot * (_TOP + 1))[:, None]
    which = np.arange(len(value))[:, None, None, None], np.arange(palette.shape[1])[None, :, None, None]
    here, there = palette[(*which, slot[:, None])], palette[(*which, slot[:, None] + 1)]
    return here * (_TOP + 1 - part) + there * part


def _stretch(picture: Integers) -> npt.NDArray[np.uint8]:
    """Return each picture with its darkest value at 0 and its lightest at 255."""
    axes = (1, 2, 3)
    low = picture.min(axis=axes, keepdims=True)
    span = np.maximum(picture.max(axis=axes, keepdims=True) - low, 1)
    return ((picture - low) // 256 * 255 // np.maximum(span // 256, 1)).clip(0, 255).astype(np.uint8)
