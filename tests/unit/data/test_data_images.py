"""Pictures in class folders and in archives of every format, and the CIFAR-10 archive itself."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelmark.data import load
from modelmark.errors import MalformedError, UsageError

CIFAR = Path(__file__).parents[4] / "shared" / "data" / "cifar10-jpeg.tar.xz"
LONG = "c" * 120  # longer than the plain tar header holds


def encoded(value: int, *, size=(5, 4), mode="RGB", form="PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.full((size[1], size[0], 3), (value, 2 * value % 256, 7), np.uint8)
    Image.fromarray(pixels).convert(mode).save(out, form)
    return out.getvalue()


def write(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return f"images:{root}"


def split_files() -> dict[str, bytes]:
    names = ["train/dog/b.png", "train/dog/a.png", f"train/{LONG}/1.png", "test/dog/x.png", f"test/{LONG}/y.png"]
    return {name: encoded(10 + index) for index, name in enumerate(names)}


def flat_files(count: int = 10) -> dict[str, bytes]:
    return {f"{name}/{i:02}.png": encoded(20 * k + i) for k, name in enumerate(["cat", "ant"]) for i in range(count)}


def same(first, second) -> bool:
    arrays = ("train_images", "train_labels", "test_images", "test_labels")
    return first.classes == second.classes and all(
        np.array_equal(getattr(first, a), getattr(second, a)) for a in arrays
    )


def test_split_folders_sorted_by_class_and_path(tmp_path):
    data = load(write(tmp_path, split_files()))
    assert data.classes == (LONG, "dog")
    assert data.input_shape == (3, 4, 5)
    assert data.train_labels.tolist() == [0, 1, 1]
    assert data.train_images[:, 0, 0, 0].tolist() == [12, 11, 10]
    assert data.train_images[0, :, 3, 4].tolist() == [12, 24, 7]
    assert data.test_images[:, 0, 0, 0].tolist() == [14, 13]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_reads_as_its_folder_does(tmp_path, form, pack):
    spec = write(tmp_path / "root", split_files())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        archive.add(tmp_path / "root", arcname=".")
    (tmp_path / "toy.tar.xz").write_bytes(pack(out.getvalue()))
    data = load(f"images:{tmp_path / 'toy.tar.xz'}")
    assert same(data, load(spec))
    assert data.name == "toy"


def test_an_xz_file_of_several_streams(tmp_path):
    spec = write(tmp_path / "root", split_files())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(tmp_path / "root", arcname=".")
    tar = out.getvalue()
    (tmp_path / "toy.tar.xz").write_bytes(lzma.compress(tar[:700]) + lzma.compress(tar[700:]))
    assert same(load(f"images:{tmp_path / 'toy.tar.xz'}"), load(spec))


def test_class_folders_alone_are_split_by_a_fixed_draw(tmp_path):
    data = load(write(tmp_path, flat_files()))
    assert data.classes == ("ant", "cat")
    assert np.bincount(data.train_labels).tolist() == [8, 8]
    assert np.bincount(data.test_labels).tolist() == [2, 2]
    assert sorted([*data.train_images[:, 0, 0, 0], *data.test_images[:, 0, 0, 0]]) == list(range(10)) + list(
        range(20, 30)
    )
    assert same(data, load(f"images:{tmp_path}"))


@pytest.mark.parametrize("name", ["val", "valid"])
def test_val_serves_as_test_only_where_test_is_absent(tmp_path, name):
    files = {path.replace("test/", f"{name}/"): data for path, data in split_files().items()}
    data = load(write(tmp_path, files))
    assert data.test_images[:, 0, 0, 0].tolist() == [14, 13]
    more = {path.replace("train/", "test/"): data for path, data in files.items() if path.startswith("train/")}
    assert len(load(write(tmp_path, more)).test_images) == 3


def test_greyscale_throughout_is_one_channel_and_a_mixture_is_three(tmp_path):
    files = {name: encoded(9, mode=mode) for name, mode in zip(split_files(), ["L", "1", "LA", "L", "L"], strict=True)}
    grey = load(write(tmp_path, files))
    assert grey.input_shape == (1, 4, 5)
    mixed = load(write(tmp_path, {"test/dog/x.png": encoded(9)}))
    assert mixed.input_shape == (3, 4, 5)
    assert np.array_equal(mixed.train_images, grey.train_images.repeat(3, axis=1))
    assert mixed.test_images[-1, :, 0, 0].tolist() == [9, 18, 7]


@pytest.mark.parametrize(("form", "mode"), [("BMP", "RGB"), ("PPM", "RGB"), ("PNG", "RGBA"), ("JPEG", "CMYK")])
def test_other_lossless_forms_and_modes(tmp_path, form, mode):
    files = {f"{name}.{form.lower()}": encoded(i, form=form, mode=mode) for i, name in enumerate(flat_files(2))}
    data = load(write(tmp_path, files))
    assert sorted(data.train_images[:, 1, 0, 0].tolist() + data.test_images[:, 1, 0, 0].tolist()) == [0, 2, 4, 6]


def test_hidden_files_are_left_out(tmp_path):
    spec = write(tmp_path, split_files())
    before = load(spec)
    write(tmp_path, {".DS_Store": b"x", "train/dog/.hidden": b"x", ".git/objects/a/b/c/d": b"x"})
    assert same(load(spec), before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train/dog/notes.txt": b"hello"}, r"expected only pictures .* got 'train/dog/notes.txt'"),
        ({"train/dog/a.png": b"hello"}, "expected a PNG, JPEG, BMP or PPM file, got another kind in train/dog/a.png"),
        ({"train/dog/a.png": encoded(1)[:-30]}, "expected train/dog/a.png to be whole and readable"),
        ({"train/dog/a.png": encoded(1, mode="I;16")}, "expected 8 bits per channel in train/dog/a.png"),
        ({"readme.png": encoded(1)}, "expected split/class/file or class/file throughout .* got 'readme.png'"),
        ({"train/dog/more/a.png": encoded(1)}, "got a deeper path: 'train/dog/more"),
        ({"train/emu/a.png": encoded(1)}, "expected the same classes in train and test of .* got 'emu' in one"),
        ({"test/emu/.keep": b""}, "expected pictures of class 'test/emu' in .* found none"),
    ],
)
def test_what_does_not_belong_is_refused_by_name(tmp_path, change, said):
    with pytest.raises(MalformedError, match=said):
        load(write(tmp_path, {**split_files(), **change}))


def test_sizes_that_differ_are_a_usage_error_that_tells_them(tmp_path):
    spec = write(tmp_path, {**split_files(), "test/dog/x.png": encoded(1, size=(6, 4))})
    with pytest.raises(UsageError, match=r"one size, got 5x4 and 6x4 \(test/dog/x.png\)") as caught:
        load(spec)
    assert "resize" in caught.value.hint


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(MalformedError, match=r"expected pictures in .* found none"):
        load(f"images:{tmp_path}")
    with pytest.raises(MalformedError, match=r"expected folders train and test \(or val, valid\) in .* got a, b"):
        load(write(tmp_path / "odd", {"a/x/1.png": encoded(1), "b/x/1.png": encoded(2)}))
    with pytest.raises(MalformedError, match=r"expected 2 to 65536 class folders in .* got 1"):
        load(write(tmp_path / "one", {"x/1.png": encoded(1), "x/2.png": encoded(2)}))
    with pytest.raises(MalformedError, match="at least 2 of class 'y'"):
        load(write(tmp_path / "few", {"x/1.png": encoded(1), "x/2.png": encoded(2), "y/1.png": encoded(2)}))
    write(tmp_path / "gap", flat_files(2))
    (tmp_path / "gap" / "bee").mkdir()
    with pytest.raises(MalformedError, match=r"expected pictures of class 'bee' in .* found none"):
        load(f"images:{tmp_path / 'gap'}")


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.is_file(), reason=f"needs CIFAR-10 at {CIFAR}")
def test_cifar10():
    data = load(f"images:{CIFAR}")
    assert data.train_images.shape == (50000, 3, 32, 32)
    assert data.test_images.shape == (10000, 3, 32, 32)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert np.abs(np.subtract(data.mean, (4914, 4822, 4465))).max() <= 2
    assert np.abs(np.subtract(data.std, (2470, 2435, 2616))).max() <= 20
