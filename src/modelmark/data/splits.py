"""The seeded 80/20 split, the same on every machine, for data that comes without a test set."""

import numpy as np

from modelmark.data.dataset import Labels
from modelmark.errors import MalformedError

SPLIT_SEED = 20180815
TEST_SHARE = 5  # one image in five


def split_by_class(labels: Labels, classes: tuple[str, ...]) -> tuple[Labels, Labels]:
    """Choose a fifth of each class, rounded down but at least one, as test images.

    The draw is the raw 64-bit stream of numpy's Philox generator, one number per image in the order given: numpy
    promises that stream for good, which it does not promise for its shuffles.

    Args:
        labels: int64, (N,), indices into ``classes``.
        classes: class names in label order.

    Returns:
        Indices of the training and of the test images, each rising, int64.

    Raises:
        MalformedError: a class has fewer than two images.
    """
    draw = np.random.Philox(key=SPLIT_SEED).random_raw(len(labels))
    held_out = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise MalformedError(
                f"expected at least 2 images of class {name!r} to split into train and test, got {len(members)}"
            )
        order = members[np.argsort(draw[members], kind="stable")]
        held_out[order[: max(1, len(order) // TEST_SHARE)]] = True
    return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)
