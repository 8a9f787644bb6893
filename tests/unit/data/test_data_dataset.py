"""The checks of a data set, and the whole-number statistics of its channels."""

import dataclasses

import numpy as np
import pytest

from modelmark.data.dataset import Dataset, measure, split_by_class
from modelmark.errors import MalformedError

GOLDEN_TEST_INDICES = [3, 9, 13, 16]  # a split that changes would change every result


def good() -> dict[str, object]:
    return {
        "name": "toy",
        "train_images": np.zeros((4, 3, 2, 5), np.uint8),
        "train_labels": np.array([0, 1, 0, 1], np.int64),
        "test_images": np.zeros((2, 3, 2, 5), np.uint8),
        "test_labels": np.array([1, 0], np.int64),
        "classes": ("cat", "dog"),
        "mean": (0, 1, 10000),
        "std": (1, 2, 10000),
    }


def test_a_good_one_passes_and_tells_its_shape():
    data = Dataset(**good())
    assert data.input_shape == (3, 2, 5)
    assert data.channels == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_images": np.zeros((4, 3, 2, 5), np.float32)}, "expected train images as uint8"),
        ({"train_images": np.zeros((4, 2, 5), np.uint8)}, "expected train images as uint8"),
        ({"train_images": [[1]]}, "got list"),
        ({"train_images": np.zeros((0, 3, 2, 5), np.uint8), "train_labels": np.zeros(0, np.int64)}, "not empty"),
        ({"test_images": np.zeros((2, 3, 0, 5), np.uint8)}, "not empty"),
        ({"test_images": np.zeros((2, 3, 5, 2), np.uint8)}, "expected test images of the training images' shape"),
        ({"train_labels": np.array([0, 1, 0, 1], np.int32)}, "expected train labels as int64"),
        ({"train_labels": np.array([0, 1, 0], np.int64)}, r"expected train labels as int64 \(4,\), got int64 \(3,\)"),
        ({"test_labels": np.array([0, 2], np.int64)}, "expected test labels from 0 to 1, got 0 to 2"),
        ({"classes": ["cat", "dog"]}, "expected class names"),
        ({"classes": ("cat", "cat")}, "expected at least two classes"),
        ({"classes": ("cat",)}, "expected at least two classes"),
    ],
)
def test_a_bad_one_is_refused_on_one_line(change, said):
    with pytest.raises(MalformedError, match=said) as caught:
        Dataset(**{**good(), **change})
    assert "\n" not in str(caught.value)


def test_statistics_are_the_rounded_ones_of_exact_arithmetic():
    images = np.random.default_rng(1).integers(0, 256, (40, 3, 7, 9)).astype(np.uint8)
    images[:, 1] //= 3
    mean, std = measure(images)
    wide = images.astype(np.float64) / 255
    assert mean == tuple(int(x) for x in np.floor(wide.mean((0, 2, 3)) * 10000 + 0.5))
    assert std == tuple(int(x) for x in np.floor(wide.std((0, 2, 3)) * 10000 + 0.5))


def test_statistics_by_hand():
    half = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    assert measure(half) == ((5000,), (5000,))
    flat = np.full((2, 1, 3, 3), 51, np.uint8)
    assert measure(flat) == ((2000,), (10000,)), "a constant channel must stay divisible by its spread"


def test_split_holds_out_a_fifth_of_each_class_and_never_changes():
    labels = np.array([0] * 10 + [1] * 5 + [2] * 2, np.int64)
    train, test = split_by_class(labels, ("a", "b", "c"))
    assert sorted([*train, *test]) == list(range(17))
    assert np.bincount(labels[test]).tolist() == [2, 1, 1]
    assert test.tolist() == GOLDEN_TEST_INDICES


def test_split_needs_two_of_each_class():
    with pytest.raises(MalformedError, match=r"at least 2 of class 'b' .* got 1"):
        split_by_class(np.array([0, 0, 1], np.int64), ("a", "b"))
