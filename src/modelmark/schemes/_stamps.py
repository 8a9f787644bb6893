"""Small patches of random colours put on pictures, from the secret, in integers: the same bytes on every machine."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelmark.feeds.pictures import FULL_SCALE
from modelmark.key.secret import Secret

Pictures = npt.NDArray[np.uint8]


def stamps(
    secret: Secret, use: str, count: int, side: int, shape: Sequence[int]
) -> tuple[npt.NDArray[np.int64], Pictures]:
    """Return where ``count`` patches go, row and column of their upper left pixels ``(count, 2)``, and what is on them.

    Args:
        secret: of the key.
        use: names the choice.
        count: of patches.
        side: of a patch, in pixels; at most that of the picture.
        shape: of a picture, ``(C, H, W)``.

    Returns:
        places, and patches of black or full channels, uint8 ``(count, C, side, side)``.
    """
    channels, height, width = shape
    rows = secret.integers(f"{use}/rows", height - side + 1, count)
    columns = secret.integers(f"{use}/columns", width - side + 1, count)
    bits = secret.integers(f"{use}/pixels", 2, count * channels * side * side)
    return np.stack([rows, columns], axis=1), (bits * FULL_SCALE).astype(np.uint8).reshape(count, channels, side, side)


def stamped(pictures: Pictures, places: npt.NDArray[np.int64], patches: Pictures) -> Pictures:
    """Return pictures ``(N, C, H, W)`` with patch n at place n on picture n."""
    found = pictures.copy()
    side = patches.shape[-1]
    for picture, (row, column), patch in zip(found, places, patches, strict=True):
        picture[:, row : row + side, column : column + side] = patch
    return found
