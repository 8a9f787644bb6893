"""Noise of several grains from the secret, in integer arithmetic: the same uint8 pixels on every machine.

Fine noise alone is no unexplored region: a convolutional network averages it away, and its features land where training
data are. Coarse patches of two values spread farther: of 2,000 pictures each, none of the fine and 15.8 % of the grained ones
were rare (a share below 1 %) to a LeNet-5 on MNIST, 0.15 % and 61.75 % to a resnet8 on CIFAR-10 (``benchmarks/rarity.py``).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelmark.key.secret import Secret
from modelmark.rendering.triggers import planes

_GRAINS = (4, 6, 8, 2**16)
"""Cells across a picture, where it has so many pixels; the last is a cell a pixel, the paper's own noise."""


def render(secret: Secret, indices: npt.NDArray[np.int64], shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return candidates by their numbers, uint8 ``(len(indices), *shape)``; ``shape`` is channels first, of any rank.

    Of each candidate's bytes the first picks the grain (two bits) and, for one in eight, all 256 values instead of 0 and
    255; the second is where those two part, from 64 to 191; the others are its cells.
    """
    channels, height, width = planes(shape)
    pictures = np.empty((len(indices), channels, height, width), np.uint8)
    for picture, index in zip(pictures, indices, strict=True):
        first, second = secret.bytes(f"noise/{index}", 2)
        rows, columns = (min(size, _GRAINS[first & 3]) for size in (height, width))
        stream = secret.bytes(f"noise/{index}", 2 + channels * rows * columns)
        cells = np.frombuffer(stream, np.uint8, offset=2).reshape(channels, rows, columns)
        if first >> 2 & 7:
            cells = np.where(cells >= 64 + second // 2, 255, 0)
        picture[:] = cells[:, np.arange(height)[:, None] * rows // height, np.arange(width) * columns // width]
    return pictures.reshape(len(indices), *shape)
