"""Hostile data files: bombs, links, paths that climb out, lying headers, damage. Each is refused on one line."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from modelmark.data import Dataset, Limits, load, read_pictures
from modelmark.data.pictures import decode
from modelmark.data.streams import Budget
from modelmark.errors import MalformedError, ModelmarkError

MEBI = 1 << 20
BOMB = bytes(24 * MEBI)
"""What unpacks to more than a refusal may hold, which is 16 MiB."""
SMALL = Limits(max_bytes=MEBI)


def refusal(spec: str, said: str, limits: Limits = SMALL) -> None:
    """Loading ``spec`` is refused on one line that matches ``said``, without taking much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match=said) as caught:
            load(spec, limits=limits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    assert peak < 16 * MEBI, f"{peak} bytes were taken before the refusal"


def png(value: int = 1) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 2, 3)).save(out, "PNG")
    return out.getvalue()


# --- IDX ----------------------------------------


def header(*shape: int, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape)


def idx_folder(folder: Path, images: bytes, name: str = "train-images-idx3-ubyte") -> str:
    for split, count in (("train", 3), ("t10k", 2)):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header(count, 2, 2) + bytes(4 * count))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(header(count) + bytes(range(count)))
    (folder / "train-images-idx3-ubyte").unlink()
    (folder / name).write_bytes(images)
    return f"idx:{folder}"


GOOD_IDX = header(3, 2, 2) + bytes(12)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected an IDX file that begins 00000803"),
        (GOOD_IDX[:7], "expected train-images.* to be whole"),
        (GOOD_IDX[:-1], "expected 12 more bytes in .* got 11: the file is cut short"),
        (GOOD_IDX + b"\0", "expected 12 more bytes in .* got more"),
        (b"\x89PNG" + GOOD_IDX, "expected an IDX file that begins 00000803 .* got '89504e47'"),
        (header(3, 2, 2, kind=0x0D) + bytes(48), "got '00000d03'"),
        (header(3, 4) + bytes(12), "got '00000802'"),
        (header(3, 0, 2), r"got shape \(3, 0, 2\)"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(9), "expected 1 to 10000000 items of at most"),
        (header(10_000_000, 28, 28) + bytes(9), "expected at most 1048576 unpacked bytes"),
        (header(1000, 28, 28) + bytes(9), "cut short"),
    ],
)
def test_idx_headers_that_lie(tmp_path, data, said, pack):
    assert load(idx_folder(tmp_path, GOOD_IDX), limits=SMALL).input_shape == (1, 2, 2)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    name = "train-images-idx3-ubyte" + (".gz" if pack is gzip.compress else "")
    refusal(idx_folder(tmp_path, pack(data), name), said)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_idx_header_reserves_nothing_its_file_cannot_hold(tmp_path, pack):
    name = "train-images-idx3-ubyte" + (".gz" if pack is gzip.compress else "")
    data = pack(header(4_000_000, 28, 28) + bytes(9))
    refusal(idx_folder(tmp_path, data, name), "got 9: the file is cut short", Limits())


def test_gzip_bombs_and_damage(tmp_path):
    bomb = gzip.compress(header(3, 2, 2) + BOMB)
    refusal(idx_folder(tmp_path, bomb, "train-images-idx3-ubyte.gz"), "expected 12 more bytes in .* got more")
    bomb = gzip.compress(header(24, 1024, 1024) + BOMB)
    refusal(idx_folder(tmp_path, bomb, "train-images-idx3-ubyte.gz"), "expected at most 1048576 unpacked bytes")
    good = gzip.compress(GOOD_IDX)
    for bad in (good[:-1], good[:-9], good[:12], good[:3], good[:-8] + bytes(8), good + b"tail"):
        refusal(
            idx_folder(tmp_path, bad, "train-images-idx3-ubyte.gz"), "expected train-images.* to be whole and readable"
        )


def test_a_pipe_is_not_opened(tmp_path):
    spec = idx_folder(tmp_path, GOOD_IDX)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    refusal(spec, "expected a file at .*train-images")
    refusal(f"npz:{tmp_path / 'train-images-idx3-ubyte'}", "expected a file at .* found something else")


# --- tar ----------------------------------------

NAMES = [f"{split}/{name}/{i}.png" for split in ("train", "test") for name in ("cat", "dog") for i in range(2)]


def tar(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive of good pictures, with further ``members`` after the first two."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, name in enumerate(NAMES):
            if number == 2:
                for member in members:
                    archive.addfile(member, io.BytesIO(bytes(max(member.size, 0))))
            info = tarfile.TarInfo(name)
            info.size = len(png(number))
            archive.addfile(info, io.BytesIO(png(number)))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def block(name: bytes, kind: bytes, size: bytes) -> bytes:
    """Return a tar header with a right sum and anything in its fields."""
    made = bytearray(512)
    made[: len(name)] = name
    made[124 : 124 + len(size)] = size
    made[148:156] = b" " * 8
    made[156:157] = kind
    made[257:265] = b"ustar\00000"
    made[148:155] = b"%06o\0" % sum(made)
    return bytes(made)


def archive_of(folder: Path, data: bytes) -> str:
    (folder / "toy.tar.xz").write_bytes(data)
    return f"images:{folder / 'toy.tar.xz'}"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("info", "said"),
    [
        (
            member("train/cat/9.png", tarfile.SYMTYPE, linkname="/etc/passwd"),
            "a link.* like: 'train/cat/9.png'",
        ),
        (
            member("train/cat/9.png", tarfile.LNKTYPE, linkname="train/cat/0.png"),
            "a link.* like: 'train/cat/9.png'",
        ),
        (member("train/cat/9.png", tarfile.CHRTYPE), "a link, device or the like"),
        (member("train/cat/9.png", b"V"), "a link, device or the like"),
        (member(".hidden", tarfile.SYMTYPE, linkname="x"), "a link, device or the like"),
        (member("/train/cat/9.png"), "expected relative paths without '..'"),
        (member("train/../../9.png"), "expected relative paths without '..'"),
        (member("..\\9.png"), "expected relative paths without '..'"),
        (member("C:/cat/9.png"), "expected relative paths without '..'"),
        (member("train/cat/\x1b[2J.png"), "expected printable file names"),
        (member("train/cat/0.png"), "expected each file of toy.tar.xz once"),
        (member("a/b/c/d.png"), "got a deeper path"),
        (member("train/cat/empty.png"), "got another kind in train/cat/empty.png"),
    ],
)
def test_tar_members_that_are_refused(tmp_path, info, said, form):
    refusal(archive_of(tmp_path, tar(info, form=form)), said)


@pytest.mark.parametrize(
    ("name", "kind", "size", "said"),
    [
        (b"a.png", b"0", b"77777777777\0", "expected at most 1048576 unpacked bytes"),
        (b"a.png", b"0", b"\x80" + b"\xff" * 11, "expected at most 1048576 unpacked bytes"),
        (b"a.png", b"0", b"\xff" * 12, "(a link, device or the like|header)"),
        (b"a.png", b"0", b"-0000000001\0", "(a link, device or the like|header)"),
        (b"a.png", b"0", b"00003000000\0", "unexpected end of data"),
        (b"a.png", b"S", b"0", "a link, device or the like"),
        (b"pax", b"x", b"77777777777\0", "a tar header of 8589934591 bytes"),
        (b"pax", b"x", b"\xff" * 12, "expected toy.tar.xz to be whole"),
        (b"\xff\xfe.png", b"0", b"0", "expected toy.tar.xz to be whole and readable, got: 'utf-8'"),
        (b"", b"0", b"0", "once and with a name"),
    ],
)
def test_tar_headers_that_lie(tmp_path, name, kind, size, said):
    refusal(archive_of(tmp_path, block(name, kind, size) + bytes(2048)), said)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"0 path=x\n", "expected toy.tar.xz to be whole"),
        (b"20 path=/etc/passwd\n", "expected relative paths"),
        (b"11 size=-5\n", "a link, device or the like"),
        (b"23 size=99999999999999\n", "expected at most 1048576"),
        (b"22 GNU.sparse.major=1\n25 GNU.sparse.name=/x/y/z\n", "expected relative paths|a link, device or the like"),
        (b"5 a=\n" * 20_000, "a tar header of 100000 bytes"),
    ],
)
def test_pax_records_that_lie(tmp_path, record, said):
    pax = block(b"pax", b"x", b"%011o\0" % len(record)) + record + bytes(-len(record) % 512)
    refusal(archive_of(tmp_path, pax + block(b"train/cat/9.png", b"0", b"0") + tar()), said)


def test_many_pax_headers_in_a_row(tmp_path):
    pax = block(b"pax", b"x", b"00000000000\0")
    refusal(archive_of(tmp_path, pax * 3000 + tar()), "recursion", Limits())


def test_tar_archives_cut_damaged_or_continued(tmp_path):
    good = tar()
    assert load(archive_of(tmp_path, good), limits=SMALL).input_shape == (3, 4, 4)
    end = good.rindex(png(len(NAMES) - 1)) + 512
    for cut in (0, 100, 512, 700, end - 512, end):
        refusal(archive_of(tmp_path, good[:cut]), "expected toy.tar.xz to be whole and readable, got: ")
    refusal(archive_of(tmp_path, good + b"x"), "expected zeros after the end")
    refusal(archive_of(tmp_path, good + good), "expected zeros after the end")
    for place in (3, 1024 + 130, 2048 + 150):
        refusal(archive_of(tmp_path, good[:place] + b"\x07" + good[place + 1 :]), "where a tar header should be")
    refusal(archive_of(tmp_path, b"no archive at all " * 99), "where a tar header should be")
    refusal(archive_of(tmp_path, good), "expected fewer files and folders", Limits(max_members=7))


def test_xz_and_gzip_bombs_and_damage(tmp_path):
    zeros = block(b"train/cat/9.png", b"0", b"%011o\0" % len(BOMB)) + BOMB
    after_the_end = tar() + BOMB
    for pack in (lambda data: lzma.compress(data, preset=0), gzip.compress, bz2.compress):
        refusal(archive_of(tmp_path, pack(zeros)), "expected at most 1048576 unpacked bytes")
        refusal(archive_of(tmp_path, pack(after_the_end)), "expected at most 1048576 unpacked bytes")
        good = pack(tar())
        for bad in (good[:-1], good[: len(good) // 2], good[:20], good[:-9] + b"\x55" * 9):
            refusal(archive_of(tmp_path, bad), "expected toy.tar.xz to be whole and readable")


# --- npz ----------------------------------------


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=True)
    return out.getvalue()


def npy_header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode() + data


def described(shape: str, descr: str = "'|u1'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


def npz(folder: Path, images: bytes) -> str:
    labels = npy(np.array([0, 1, 0]))
    with zipfile.ZipFile(folder / "toy.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", images)
        archive.writestr("test_images.npy", npy(np.zeros((3, 4, 4), np.uint8)))
        archive.writestr("train_labels.npy", labels)
        archive.writestr("test_labels.npy", labels)
    return f"npz:{folder / 'toy.npz'}"


GOOD_NPY = npy(np.zeros((3, 4, 4), np.uint8))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (b"", "expected train_images.npy in toy.npz to be whole and readable"),
        (GOOD_NPY[:-1], "expected 48 more bytes in .* got 47"),
        (GOOD_NPY + b"x", "expected 48 more bytes in .* got more"),
        (GOOD_NPY.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x03"), "npy version"),
        (npy(np.array([{"a": 1}], dtype=object)), "expected an array of integers in .* got object"),
        (npy_header(described("(1,)", "[('a', '|O')]"), bytes(8)), "expected an array of integers"),
        (npy_header(described("(9999999, 28, 28)")), "expected at most 1048576 unpacked bytes"),
        (npy_header(described("(-3, -4, 4)"), bytes(48)), "got shape"),
        (npy_header(described("(0, 4, 4)")), "got shape"),
        (npy_header(described("(3, 4, 4, 1, 1)"), bytes(48)), "got shape"),
        (npy_header(described("(3.0, 4, 4)"), bytes(48)), "to be whole and readable"),
        (npy_header("__import__('os').system('false')\n"), "to be whole and readable"),
        (npy_header("-" * 9000 + "1\n"), "to be whole and readable"),
        (npy_header(described("(3, 4, 4)") + " " * 20000, bytes(48)), "to be whole and readable"),
    ],
)
def test_npz_arrays_that_lie(tmp_path, images, said):
    assert load(npz(tmp_path, GOOD_NPY), limits=SMALL).channels == 1
    refusal(npz(tmp_path, images), said)


def test_npz_bombs_and_lying_directories(tmp_path):
    spec = npz(tmp_path, npy(np.zeros((24, 1024, 1024), np.uint8)))
    refusal(spec, "expected at most 1048576 unpacked bytes")
    npz(tmp_path, GOOD_NPY)
    whole = bytearray((tmp_path / "toy.npz").read_bytes())
    size = whole.index(b"PK\x01\x02") + 24  # the directory's unpacked size of the first member
    for place, value, said in ((size, 9, "expected"), (size - 8, 0, "Bad CRC"), (size - 16, 1, "password")):
        lying = bytearray(whole)
        lying[place : place + 4] = value.to_bytes(4, "little")
        (tmp_path / "toy.npz").write_bytes(lying)
        refusal(spec, said, Limits())
    (tmp_path / "toy.npz").write_bytes(whole[:-4])
    refusal(spec, "File is not a zip file")


# --- pictures ----------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png_claiming(5000, 5000), "expected at most 16777216 pixels in 1.png, got 5000x5000"),
        (png_claiming(10_000, 10_000), "expected at most 16777216 pixels in 1.png, got 10000x10000"),
        (png_claiming(64, 64), "expected 1.png to be whole and readable"),
        (png_claiming(0, 4), "got another kind"),
        (png()[:-20], "expected 1.png to be whole and readable"),
        (b"P6 99999999999 99999999999 255\n", "expected "),
        (b"P6 4 4 255\n" + bytes(47), "expected 1.png to be whole"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "expected a PNG, .* got another kind",
        ),
    ],
)
def test_pictures_that_are_refused(tmp_path, data, said):
    (tmp_path / "1.png").write_bytes(data)
    with pytest.raises(MalformedError, match=said) as caught:
        read_pictures(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_links_and_pipes_in_a_folder(tmp_path):
    (tmp_path / "1.png").write_bytes(png())
    (tmp_path / "2.png").symlink_to(tmp_path / "1.png")
    with pytest.raises(MalformedError, match=r"a symbolic link: '2.png'"):
        read_pictures(tmp_path)
    (tmp_path / "2.png").unlink()
    os.mkfifo(tmp_path / "3.png")
    with pytest.raises(MalformedError, match=r"something else: '3.png'"):
        read_pictures(tmp_path)
    (tmp_path / "3.png").unlink()
    (tmp_path / "loop").symlink_to(tmp_path)
    refusal(f"images:{tmp_path}", "a symbolic link: 'loop'")


def picture(form: str) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


ARCHIVES = {
    "tar": tar(member("train/cat/" + "long" * 40 + ".png", tarfile.DIRTYPE)),
    "gnu": tar(member("train/cat/" + "long" * 40, tarfile.DIRTYPE), form=tarfile.GNU_FORMAT),
    "xz": lzma.compress(tar()),
    "gz": gzip.compress(tar()),
}
FEW = settings(max_examples=150, suppress_health_check=list(HealthCheck))
HARM = st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4)


def harmed(data: bytes, harm: list[tuple[int, bytes]]) -> bytes:
    for place, piece in harm:
        place %= len(data)
        data = data[:place] + piece + data[place + len(piece) :]
    return data


def outcome(call: Callable[[], object]) -> object:
    """Return what ``call`` returns, or its refusal, which fits on one line; any other error is a failure."""
    try:
        return call()
    except ModelmarkError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize("form", ["PNG", "JPEG", "PPM"])
def test_a_picture_cut_anywhere_is_refused(form):
    data = picture(form)
    whole = [cut for cut in range(len(data)) if not isinstance(outcome(lambda: pixels_of(data[:cut])), str)]  # noqa: B023
    assert whole == []


def pixels_of(data: bytes) -> np.ndarray:
    return decode(data, "x.png", Budget(Limits(max_pixels=10_000)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "PPM"])
@FEW
@given(harm=HARM)
def test_damaged_pictures_decode_or_are_refused(form, harm):
    result = outcome(lambda: pixels_of(harmed(picture(form), harm)))
    assert isinstance(result, str) or result.dtype == np.uint8


@pytest.mark.parametrize("form", sorted(ARCHIVES))
@FEW
@given(harm=HARM)
def test_damaged_archives_load_or_are_refused(form, harm, tmp_path):
    spec = archive_of(tmp_path, harmed(ARCHIVES[form], harm))
    data = outcome(lambda: load(spec, limits=SMALL))
    assert isinstance(data, str) or len(data.train_labels) + len(data.test_labels) == 8, "pictures got lost"


@FEW
@given(harm=HARM)
def test_damaged_npz_files_load_or_are_refused(harm, tmp_path):
    spec = npz(tmp_path, GOOD_NPY)
    (tmp_path / "toy.npz").write_bytes(harmed((tmp_path / "toy.npz").read_bytes(), harm))
    assert isinstance(outcome(lambda: load(spec, limits=SMALL)), (str, Dataset))


@settings(FEW, max_examples=50)
@given(text=st.text(max_size=60), data=st.binary(max_size=60))
def test_any_npy_header_is_read_or_refused(text, data, tmp_path):
    for made in (text, described(f"({text},)"), described("(3, 4, 4)", text)):
        spec = npz(tmp_path, npy_header(made, data))
        assert isinstance(outcome(lambda: load(spec, limits=SMALL)), (str, Dataset))  # noqa: B023
