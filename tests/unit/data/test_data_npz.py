"""Reading npz files in each accepted arrangement."""

import numpy as np
import pytest

from modelmark.data import load
from modelmark.errors import MalformedError

DRAW = np.random.default_rng(0)
LABELS = np.array([0, 1, 2, 1, 0, 2])


def save(path, images, labels=LABELS, *, names=("train_images", "train_labels", "test_images", "test_labels"), **more):
    parts = dict(zip(names, (images, labels, images[:2], labels[:2]), strict=True))
    np.savez(path, **parts, **more)
    return f"npz:{path}"


def images(*shape):
    return DRAW.integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((6, 4, 5), (1, 4, 5)), ((6, 4, 5, 3), (3, 4, 5)), ((6, 3, 4, 5), (3, 4, 5)), ((6, 4, 5, 1), (1, 4, 5))],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_each_arrangement(tmp_path, shape, expected, order):
    made = np.asarray(images(*shape), order=order)
    data = load(save(tmp_path / "toy.npz", made))
    assert data.name == "toy"
    assert data.input_shape == expected
    assert data.train_images.flags.c_contiguous
    channels_last = (
        made[..., None] if made.ndim == 3 else made if made.shape[3] in (1, 3) else made.transpose(0, 2, 3, 1)
    )
    assert np.array_equal(data.train_images.transpose(0, 2, 3, 1), channels_last)
    assert np.array_equal(data.test_images, data.train_images[:2])
    assert data.train_labels.tolist() == LABELS.tolist()
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, ">i8", np.uint64])
@pytest.mark.parametrize("column", [False, True])
def test_labels_of_any_whole_type_in_a_row_or_a_column(tmp_path, dtype, column):
    labels = LABELS.astype(dtype)
    data = load(save(tmp_path / "toy.npz", images(6, 4, 5), labels[:, None] if column else labels))
    assert data.train_labels.dtype == np.int64
    assert data.train_labels.tolist() == LABELS.tolist()


def test_short_names_further_arrays_and_compression(tmp_path):
    names = ("x_train", "y_train", "x_test", "y_test")
    spec = save(tmp_path / "toy.npz", images(6, 4, 5), names=names, val_images=np.array(["not", "read"]))
    assert load(spec).channels == 1
    with np.load(tmp_path / "toy.npz") as whole:
        np.savez_compressed(tmp_path / "packed.npz", **{name: whole[name] for name in names})
    assert np.array_equal(load(f"npz:{tmp_path / 'packed.npz'}").train_images, load(spec).train_images)


@pytest.mark.parametrize(
    ("made", "labels", "said"),
    [
        (images(6, 3, 4, 3), LABELS, r"got \(6, 3, 4, 3\), ambiguous: channels could be first or last"),
        (images(6, 4, 5, 2), LABELS, "no place for 1 or 3 channels"),
        (images(6, 4, 5).astype(np.int16), LABELS, "expected train_images as uint8"),
        (images(6, 4, 5).astype(np.float32), LABELS, "expected an array of integers"),
        (images(6, 4), LABELS, "expected train_images as uint8 of 3 or 4"),
        (images(6, 4, 5), LABELS.astype(np.float64), "expected an array of integers"),
        (images(6, 4, 5), LABELS - 1, "expected train labels from 0 to 1, got -1 to 1"),
        (images(6, 4, 5), LABELS * 70000, "expected labels from 0 to 65535, got 140000"),
        (images(6, 4, 5), LABELS.astype(np.uint64) + np.uint64(2**63), "expected (at least two classes|train labels)"),
        (images(6, 4, 5), np.ones((6, 2), np.int64), r"expected train labels as int64 \(6,\), got int64 \(6, 2\)"),
        (images(6, 4, 5), LABELS[:5], r"expected train labels as int64 \(6,\), got int64 \(5,\)"),
        (images(6, 4, 5), np.zeros(6, np.int64), "expected at least two classes"),
    ],
)
def test_what_is_not_a_data_set_is_refused(tmp_path, made, labels, said):
    with pytest.raises(MalformedError, match=said):
        load(save(tmp_path / "toy.npz", made, labels))


def test_a_missing_array_is_told_with_those_that_are_there(tmp_path):
    np.savez(tmp_path / "toy.npz", train_images=images(6, 4, 5), labels=LABELS)
    with pytest.raises(MalformedError, match=r"expected arrays train_images, .* got 'labels.npy, train_images.npy'"):
        load(f"npz:{tmp_path / 'toy.npz'}")
