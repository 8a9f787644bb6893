"""Mean and spread of each colour channel, in whole numbers so that every machine gets the same ones."""

import math

import numpy as np
import numpy.typing as npt

from modelmark.errors import MalformedError

UNIT = 10_000  # mean and std are in ten-thousandths of the full scale
FULL_SCALE = 255
_VALUES_AT_A_TIME = 1 << 20  # bincount widens what it counts to 8 bytes


def measure(images: npt.NDArray[np.uint8]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the mean and the standard deviation of each channel of ``images``.

    Args:
        images: uint8, (N, C, H, W), not empty.

    Returns:
        Two tuples of C integers, in ten-thousandths of the full scale 255, halves rounded up. The deviation is the
        population's. A channel whose deviation rounds to zero gets 10000, so that dividing by it changes nothing.

    Raises:
        MalformedError: ``images`` is not of that kind.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.size == 0:
        raise MalformedError(f"expected uint8 images of shape (N, C, H, W), got {images.dtype} of {images.shape}")
    moments = [_moments(_histogram(images[:, channel])) for channel in range(images.shape[1])]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def _histogram(plane: npt.NDArray[np.uint8]) -> list[int]:
    """Count each of the 256 values of ``plane`` (N, H, W)."""
    counts = np.zeros(FULL_SCALE + 1, np.int64)
    step = max(1, _VALUES_AT_A_TIME // (plane.shape[1] * plane.shape[2]))
    for start in range(0, len(plane), step):
        counts += np.bincount(plane[start : start + step].ravel(), minlength=FULL_SCALE + 1)
    return [int(count) for count in counts]


def _moments(counts: list[int]) -> tuple[int, int]:
    """Return mean and deviation in ten-thousandths of the full scale, from exact sums."""
    n = sum(counts)
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    scale = FULL_SCALE * n
    mean = (2 * UNIT * total + scale) // (2 * scale)
    spread = UNIT * UNIT * (n * squares - total * total)  # (UNIT * n * deviation) squared
    std = (math.isqrt(4 * spread) // scale + 1) // 2
    return mean, std or UNIT
