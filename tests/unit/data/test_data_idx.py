"""Reading IDX files, generated ones and MNIST itself."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from modelmark.data import Limits, load
from modelmark.errors import MalformedError

MNIST = Path(__file__).parents[4] / "shared" / "data" / "mnist"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "train-images-idx3": draw.integers(0, 256, (7, 4, 5)),
        "train-labels-idx1": np.array([0, 1, 2, 3, 0, 1, 2]),
        "t10k-images-idx3": draw.integers(0, 256, (3, 4, 5)),
        "t10k-labels-idx1": np.array([3, 2, 1]),
    }


def write(folder: Path, joint: str = "-", packed: bool = False) -> dict[str, np.ndarray]:
    made = arrays()
    for name, array in made.items():
        stem, _, kind = name.rpartition("-")
        data = idx(array)
        target = folder / f"{stem}{joint}{kind}-ubyte{'.gz' if packed else ''}"
        target.write_bytes(gzip.compress(data) if packed else data)
    return made


@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("packed", [False, True])
def test_round_trip(tmp_path, joint, packed):
    made = write(tmp_path, joint, packed)
    data = load(f"idx:{tmp_path}")
    assert data.name == tmp_path.name
    assert np.array_equal(data.train_images[:, 0], made["train-images-idx3"])
    assert np.array_equal(data.test_images[:, 0], made["t10k-images-idx3"])
    assert data.train_labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert data.test_labels.tolist() == [3, 2, 1]
    assert data.classes == ("0", "1", "2", "3")
    assert data.input_shape == (1, 4, 5)


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MalformedError, match=r"expected a file at .*t10k-labels-idx1-ubyte, found none"):
        load(f"idx:{tmp_path}")


def test_labels_and_images_must_pair_up(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2])))
    with pytest.raises(MalformedError, match=r"expected test labels as int64 \(3,\), got int64 \(2,\)"):
        load(f"idx:{tmp_path}")


@pytest.mark.parametrize("limits", [Limits(max_bytes=255), Limits(max_pixels=19), Limits(max_items=6)])
@pytest.mark.parametrize("packed", [False, True])
def test_each_cap_holds(tmp_path, limits, packed):
    write(tmp_path, packed=packed)
    assert load(f"idx:{tmp_path}", limits=Limits(max_bytes=258, max_pixels=20, max_items=7)).channels == 1
    with pytest.raises(MalformedError, match=r"expected (at most 255 unpacked bytes|1 to \d+ items of at most)"):
        load(f"idx:{tmp_path}", limits=limits)


@pytest.mark.skipif(not MNIST.is_dir(), reason=f"needs MNIST at {MNIST}")
def test_mnist():
    data = load(f"idx:{MNIST}")
    assert data.train_images.shape == (60000, 1, 28, 28)
    assert data.test_images.shape == (10000, 1, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert (data.mean, data.std) == ((1307,), (3081,))
