"""``digits``: the 1,797 handwritten 8x8 digits that come with scikit-learn."""

import numpy as np

from modelmark.data.dataset import Dataset, split_by_class
from modelmark.data.streams import Limits
from modelmark.errors import UsageError

_BRIGHTEST = 16


def read_digits(where: str, limits: Limits) -> Dataset:
    """Read the bundled digits: uint8 (N, 1, 8, 8), values 0..16 scaled to 0..255 by ``v * 255 // 16``."""
    if where:
        raise UsageError(f"expected digits alone, got digits:{where}")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    values = np.asarray(bunch.images).astype(np.int64)
    images = (values * 255 // _BRIGHTEST).astype(np.uint8)[:, None]
    labels = np.asarray(bunch.target).astype(np.int64)
    classes = tuple(str(digit) for digit in range(10))
    train, test = split_by_class(labels, classes)
    return Dataset.measured("digits", (images[train], labels[train]), (images[test], labels[test]), classes)
