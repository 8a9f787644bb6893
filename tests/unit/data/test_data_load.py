"""The table of readers, the spelling of specs, and the bundled digits."""

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest

import modelmark.data
from modelmark.data import READERS, Limits, load
from modelmark.errors import MalformedError, UsageError

GOLDEN_DIGITS = "3017f7c0a23f7f25a2d9b77c41229e8b3d397ad4e8842e69cb6261bdeb659cec"


def test_the_table_names_four_readers():
    assert set(READERS) == {"digits", "idx", "images", "npz"}


@pytest.mark.parametrize(
    ("spec", "hint"), [("digit", "digits"), ("image:x", "images"), ("", "known"), ("/some/folder", "known")]
)
def test_an_unknown_reader_is_a_usage_error_with_a_hint(spec, hint):
    with pytest.raises(UsageError, match="expected digits, idx:DIR") as caught:
        load(spec)
    assert hint in caught.value.hint
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("spec", ["idx", "idx:", "images:", "npz:", "digits:8x8"])
def test_a_spec_without_its_path_or_with_a_needless_one(spec):
    with pytest.raises(UsageError, match=r"^expected .*, got") as caught:
        load(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["idx", "images", "npz"])
@pytest.mark.parametrize("name", ["absent", "two\nlines", "a\0b", "long" * 200])
def test_a_missing_path(kind, name, tmp_path):
    what = "folder of pictures, or an archive of them," if kind == "images" else "(file|folder)"
    with pytest.raises(MalformedError, match=f"^expected a {what} at .*, found none") as caught:
        load(f"{kind}:{tmp_path / name}")
    assert "\n" not in str(caught.value)


def test_digits_are_the_same_everywhere():
    data = load("digits")
    assert data.name == "digits"
    assert data.train_images.shape == (1442, 1, 8, 8)
    assert data.test_images.shape == (355, 1, 8, 8)
    assert data.classes == tuple("0123456789")
    assert set(np.unique(data.train_images)) == {v * 255 // 16 for v in range(17)}
    assert np.bincount(data.test_labels).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    digest = hashlib.sha256()
    for part in (data.train_images, data.train_labels.astype("<i8"), data.test_images, data.test_labels.astype("<i8")):
        digest.update(part.tobytes())
    assert digest.hexdigest() == GOLDEN_DIGITS
    assert (data.mean, data.std) == ((3046,), (3760,))


def test_no_file_of_the_room_imports_torch():
    for path in Path(modelmark.data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "torch"], path


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_limits_are_positive_whole_numbers(value):
    with pytest.raises(UsageError, match="expected max_bytes to be a positive whole number"):
        Limits(max_bytes=value)
