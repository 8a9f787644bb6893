"""What every reader returns: the images and labels of one data set, checked; their statistics and their split."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.errors import MalformedError
from modelmark.feeds.pictures import FULL_SCALE, UNIT

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Split = tuple[Images, Labels]
SPLIT_SEED = 20180815
TEST_SHARE = 5  # one image in five


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of labelled images; parts of other shapes, types or ranges are refused."""

    name: str  # the reader's name, or the last part of the path without its suffix
    train_images: Images  # uint8, (N, C, H, W), full scale 255
    train_labels: Labels  # int64, (N,), indices into classes
    test_images: Images  # uint8, (M, C, H, W)
    test_labels: Labels  # int64, (M,)
    classes: tuple[str, ...]  # names in label order, at least two, no name twice
    mean: tuple[int, ...]  # per channel, in ten-thousandths of the full scale 255
    std: tuple[int, ...]  # likewise, never zero
    drawn: bool = (
        False  # whether the test images were drawn here from what had no split: a network may have learned them
    )

    def __post_init__(self) -> None:
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) and name for name in self.classes):
            raise MalformedError(f"expected class names as a tuple of text, got {self.classes!r:.80}")
        if not 2 <= len(self.classes) == len(set(self.classes)):
            raise MalformedError(f"expected at least two classes, no name twice, got {self.classes!r:.80}")
        self._check_split("train", self.train_images, self.train_labels)
        self._check_split("test", self.test_images, self.test_labels)
        shape, other = self.train_images.shape[1:], self.test_images.shape[1:]
        if shape != other:
            raise MalformedError(f"expected test images of the training images' shape {shape}, got {other}")

    @classmethod
    def measured(cls, name: str, train: Split, test: Split, classes: tuple[str, ...]) -> "Dataset":
        """Build a data set whose ``mean`` and ``std`` are computed from its training images."""
        mean, std = measure(train[0])
        return cls(name, *train, *test, classes, mean, std)

    @classmethod
    def numbered(cls, name: str, train: Split, test: Split, max_classes: int) -> "Dataset":
        """Build a measured data set whose class names are the labels' digits."""
        highest = max(int(labels.max()) for _, labels in (train, test))
        if highest >= max_classes:
            raise MalformedError(f"expected labels from 0 to {max_classes - 1}, got {highest}")
        return cls.measured(name, train, test, tuple(str(label) for label in range(highest + 1)))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    @property
    def channels(self) -> int:
        """Channels of every image: 1 for greyscale, 3 for RGB."""
        return self.input_shape[0]

    def _check_split(self, split: str, images: Images, labels: Labels) -> None:
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
            raise MalformedError(f"expected {split} images as uint8 (N, C, H, W), got {_kind(images)}")
        if images.size == 0:
            raise MalformedError(f"expected {split} images that are not empty, got shape {images.shape}")
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise MalformedError(f"expected {split} labels as int64 ({len(images)},), got {_kind(labels)}")
        low, high, highest = int(labels.min()), int(labels.max()), len(self.classes) - 1
        if low < 0 or high > highest:
            raise MalformedError(f"expected {split} labels from 0 to {highest}, got {low} to {high}")


def _kind(thing: object) -> str:
    return f"{thing.dtype} {thing.shape}" if isinstance(thing, np.ndarray) else type(thing).__name__


def measure(images: Images) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the mean and the standard deviation of each channel of (N, C, H, W), from exact sums, never empty.

    Both are in ten-thousandths of the full scale 255, halves rounded up. The deviation is the population's; where it
    rounds to zero, it is given as 10000, so that dividing by it changes nothing.
    """
    totals = np.einsum("nchw->c", images, dtype=np.int64).tolist()
    squares = np.einsum("nchw,nchw->c", images, images, dtype=np.int64).tolist()
    count = images.size // images.shape[1]
    scale = FULL_SCALE * count
    means = tuple((2 * UNIT * total + scale) // (2 * scale) for total in totals)
    spreads = [UNIT * UNIT * (count * square - total * total) for total, square in zip(totals, squares, strict=True)]
    return means, tuple((math.isqrt(4 * spread) // scale + 1) // 2 or UNIT for spread in spreads)


def split_by_class(labels: Labels, classes: tuple[str, ...]) -> tuple[Labels, Labels]:
    """Return the rising indices of the training and of the test images: a fifth of each class, but at least one.

    The draw is the raw 64-bit stream of numpy's Philox generator, one number per image in the order given: numpy
    promises that stream for good, which it does not promise for its shuffles.
    """
    draw = np.random.Philox(key=SPLIT_SEED).random_raw(len(labels))
    held_out = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise MalformedError(f"expected at least 2 of class {name!r} to split, got {len(members)}")
        order = members[np.argsort(draw[members], kind="stable")]
        held_out[order[: max(1, len(order) // TEST_SHARE)]] = True
    return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)
