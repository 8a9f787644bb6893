"""Loose pictures and their labels, generated ones and the triggers released with Adi et al."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelmark.data import Limits, read_labels, read_pictures
from modelmark.errors import MalformedError

TRIGGERS = Path(__file__).parents[4] / "shared" / "data" / "adi-triggers"


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 200).save(out, "PNG")
    return out.getvalue()


def test_pictures_come_in_lexicographic_order_with_their_own_sizes(tmp_path):
    for number in (2, 11, 100, 10, 1):
        (tmp_path / f"{number}.png").write_bytes(png(number, 3))
    (tmp_path / "9.PNG").write_bytes(png(9, 3, "L"))
    (tmp_path / ".hidden").write_bytes(b"x")
    pictures = read_pictures(tmp_path)
    assert list(pictures) == ["1.png", "10.png", "100.png", "11.png", "2.png", "9.PNG"]
    assert [picture.shape for picture in pictures.values()] == [
        *((3, width, 3) for width in (1, 10, 100, 11, 2)),
        (3, 9),
    ]
    assert all(picture.dtype == np.uint8 for picture in pictures.values())


def test_folders_that_are_not_pictures_only(tmp_path):
    with pytest.raises(MalformedError, match=r"expected a folder at .* found none"):
        read_pictures(tmp_path / "absent")
    with pytest.raises(MalformedError, match=r"expected pictures in .* found none"):
        read_pictures(tmp_path)
    (tmp_path / "1.png").write_bytes(png(4, 4))
    with pytest.raises(MalformedError, match=r"expected at most 15 pixels in 1.png, got 4x4"):
        read_pictures(tmp_path, Limits(max_pixels=15))
    (tmp_path / "2.png").write_bytes(png(4, 4))
    with pytest.raises(MalformedError, match="expected at most 95 unpacked bytes"):
        read_pictures(tmp_path, Limits(max_bytes=95))
    (tmp_path / "labels.csv").write_text("file,label\n")
    with pytest.raises(MalformedError, match=r"expected only pictures .* got 'labels.csv'"):
        read_pictures(tmp_path)
    (tmp_path / "sub").mkdir()
    with pytest.raises(MalformedError, match="found a folder: 'sub'"):
        read_pictures(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,label\n1.png,3\n10.png,0\n", {"1.png": 3, "10.png": 0}),
        ('\ufefffile,label\r\n"a,b.png",3\r\n', {"a,b.png": 3}),
        ("3\n0\n9\n", [3, 0, 9]),
        ("3.000000000000000000e+00\n1.500000000000000000e+01\n", [3, 15]),
        ("7\r\n8\r\n\r\n", [7, 8]),
    ],
)
def test_labels_in_each_form(tmp_path, text, expected):
    (tmp_path / "labels").write_text(text, encoding="utf-8", newline="")
    assert read_labels(tmp_path / "labels") == expected


def test_labels_as_numpy_writes_them(tmp_path):
    np.savetxt(tmp_path / "labels.txt", np.array([3, 15, 0, 9]))
    assert read_labels(tmp_path / "labels.txt") == [3, 15, 0, 9]


BAD_NUMBERS = [
    "",
    "\n\n",
    "1\n\n2\n",
    *["-1", "3.5", "nan", "inf", "1e400", "1e-999", "65536", "0x3", "1,2", "٣", "3.0000000000000000000001"],
    "1 2",
]
BAD_ROWS = ["", "a", "a,1,2", ",1", "a,1\na,1", "a,x", "a,1\n\nb,2", '"a,1', "a\0,x"]


@pytest.mark.parametrize("text", [*BAD_NUMBERS, "name,label\na,1\n", *(f"file,label\n{rows}\n" for rows in BAD_ROWS)])
def test_labels_that_are_refused(tmp_path, text):
    (tmp_path / "labels").write_text(text, encoding="utf-8")
    with pytest.raises(MalformedError, match=r"^expected ") as caught:
        read_labels(tmp_path / "labels")
    assert "\n" not in str(caught.value)


def test_labels_that_are_no_text_or_too_long_or_absent(tmp_path):
    (tmp_path / "labels").write_bytes(b"\xff\xfe1\n")
    with pytest.raises(MalformedError, match="expected labels to be whole and readable"):
        read_labels(tmp_path / "labels")
    (tmp_path / "labels").write_bytes(b"1\n" * 9)
    with pytest.raises(MalformedError, match="expected at most 17 unpacked bytes"):
        read_labels(tmp_path / "labels", Limits(max_label_bytes=17))
    assert len(read_labels(tmp_path / "labels", Limits(max_label_bytes=18))) == 9
    with pytest.raises(MalformedError, match=r"expected a file at .* found none"):
        read_labels(tmp_path / "absent")


@pytest.mark.skipif(not TRIGGERS.is_dir(), reason=f"needs the triggers of Adi et al. at {TRIGGERS}")
@pytest.mark.parametrize(("folder", "height", "width"), [("crop32", 32, 32), ("resized64", 64, 64)])
def test_the_released_triggers(folder, height, width):
    pictures = read_pictures(TRIGGERS / folder)
    labels = read_labels(TRIGGERS / "labels.csv")
    assert isinstance(labels, dict)
    assert list(pictures)[:4] == ["1.png", "10.png", "100.png", "11.png"]
    assert set(labels) == set(pictures)
    assert len(pictures) == 100
    assert {picture.shape[:2] for picture in pictures.values()} == {(height, width)}
    assert set(labels.values()) <= set(range(10))
