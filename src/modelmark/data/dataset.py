"""What every reader returns: the images and labels of one data set, checked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.data.channels import UNIT, measure
from modelmark.errors import MalformedError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of labelled images.

    Attributes:
        name: what to call it: the reader's name, or the last part of the path without its suffix.
        train_images: uint8, (N, C, H, W), full scale 255.
        train_labels: int64, (N,), indices into ``classes``.
        test_images: uint8, (M, C, H, W).
        test_labels: int64, (M,).
        classes: class names in label order, at least two, no name twice.
        mean: per channel, in ten-thousandths of the full scale 255.
        std: per channel, in ten-thousandths of the full scale 255, never zero.

    Raises:
        MalformedError: the parts are not of these shapes, types and ranges, or a split is empty.
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: tuple[str, ...]
    mean: tuple[int, ...]
    std: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_classes(self.classes)
        _check_split("train", self.train_images, self.train_labels, len(self.classes))
        _check_split("test", self.test_images, self.test_labels, len(self.classes))
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise MalformedError(
                f"expected test images of the training images' shape {self.train_images.shape[1:]},"
                f" got {self.test_images.shape[1:]}"
            )
        _check_scale("mean", self.mean, self.channels, lowest=0)
        _check_scale("std", self.std, self.channels, lowest=1)

    @classmethod
    def measured(
        cls, name: str, train: tuple[Images, Labels], test: tuple[Images, Labels], classes: tuple[str, ...]
    ) -> "Dataset":
        """Build a data set whose ``mean`` and ``std`` are computed from its training images.

        Raises:
            MalformedError: as for the class.
        """
        mean, std = measure(train[0])
        return cls(name, *train, *test, classes, mean, std)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    @property
    def channels(self) -> int:
        """Channels of every image: 1 for greyscale, 3 for RGB."""
        return self.input_shape[0]


def _check_classes(classes: tuple[str, ...]) -> None:
    if not isinstance(classes, tuple) or not all(isinstance(name, str) and name for name in classes):
        raise MalformedError(f"expected class names as a tuple of text, got {classes!r:.80}")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise MalformedError(f"expected at least two classes, no name twice, got {classes!r:.80}")


def _check_split(split: str, images: Images, labels: Labels, classes: int) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        raise MalformedError(f"expected {split} images as uint8 (N, C, H, W), got {_kind(images)}")
    if images.size == 0:
        raise MalformedError(f"expected {split} images that are not empty, got shape {images.shape}")
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
        raise MalformedError(f"expected {split} labels as int64 (N,), got {_kind(labels)}")
    if len(images) != len(labels):
        raise MalformedError(f"expected a label for each of {len(images)} {split} images, got {len(labels)} labels")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise MalformedError(f"expected {split} labels from 0 to {classes - 1}, got {low} to {high}")


def _check_scale(what: str, values: tuple[int, ...], channels: int, lowest: int) -> None:
    whole = isinstance(values, tuple) and all(type(value) is int for value in values)
    if not whole or len(values) != channels or not all(lowest <= value <= UNIT for value in values):
        raise MalformedError(f"expected {what} as {channels} integers from {lowest} to {UNIT}, got {values!r:.80}")


def _kind(thing: object) -> str:
    return f"{thing.dtype} {thing.shape}" if isinstance(thing, np.ndarray) else type(thing).__name__
