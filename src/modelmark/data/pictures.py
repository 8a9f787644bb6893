"""Decoding pictures with Pillow; a folder of loose ones and the labels beside it, such as an owner's own triggers."""

import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from modelmark.data.dataset import Images
from modelmark.data.streams import DEFAULT_LIMITS, Budget, Limits, judging, need, open_stream
from modelmark.data.tree import walk
from modelmark.errors import MalformedError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm")
_FORMATS = ("PNG", "JPEG", "BMP", "PPM")  # a short list: every further decoder is a further way in
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"  # Pillow is content without it
_MODES = {"L": ("1", "L", "LA"), "RGB": ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")}
_HEADER = ["file", "label"]
_NUMBER = re.compile(r"\+?[0-9]{1,20}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def decode(content: bytes | Path, name: str, budget: Budget) -> Images:
    """Decode one PNG, JPEG, BMP or PPM picture, as stored: no rotation by EXIF, transparency dropped.

    The bytes are in ``content``, or in the file it names, and then count against ``budget``; ``name`` is for messages.
    Returns uint8, (H, W) for a greyscale picture, (H, W, 3) RGB for any other.
    """
    if not name.lower().endswith(_SUFFIXES):
        raise MalformedError(f"expected only pictures ({', '.join(_SUFFIXES)}), got {name!r}")
    if isinstance(content, Path):
        with open_stream(content, budget) as stream:
            content = stream.read()
    with judging(name):
        try:
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        except UnidentifiedImageError:
            raise MalformedError(f"expected a PNG, JPEG, BMP or PPM file, got another kind in {name}") from None
        width, height = picture.size
        if width * height > budget.limits.max_pixels:
            raise MalformedError(f"expected at most {budget.limits.max_pixels} pixels in {name}, got {width}x{height}")
        if picture.format == "PNG" and _PNG_END not in content:
            raise MalformedError(f"expected {name} to be whole and readable, got a PNG file without its end")
        target = next((target for target, modes in _MODES.items() if picture.mode in modes), None)
        if target is None:
            raise MalformedError(f"expected 8 bits per channel in {name}, got Pillow's mode {picture.mode}")
        return np.array(picture.convert(target))


def read_pictures(folder: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, Images]:
    """Decode every picture of a flat folder in which nothing else is but hidden files; sizes may differ.

    Returns:
        For each file name, in lexicographic order (1.png, 10.png, 100.png, 11.png), uint8 (H, W) for a greyscale
        picture and (H, W, 3) RGB for any other.
    """
    tree = walk(need(folder, "folder"), limits)
    if tree.folders or not tree.files:
        found = f"a folder: {'/'.join(min(tree.folders))!r}" if tree.folders else "none"
        raise MalformedError(f"expected pictures in {tree.name}, found {found}")
    packed, pixels = Budget(limits), Budget(limits)
    pictures = {}
    for (name,), content in sorted(tree.files.items()):
        pictures[name] = decode(content, name, packed)
        pixels.take(pictures[name].size, name)
    return pictures


def read_labels(path: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, int] | list[int]:
    """Read the labels of loose pictures.

    Returns:
        For a CSV file with the header ``file,label``, the label of each file name. For a file with one number per line,
        the list of them, which belongs to the pictures in lexicographic order of their names.
        ``3.000e+00``, as ``numpy.savetxt`` writes, is a whole number too.
    """
    with open_stream(path, Budget(replace(limits, max_bytes=limits.max_label_bytes))) as stream:
        name, text = stream.name, stream.read().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    while rows and not rows[-1]:
        rows.pop()
    named = bool(rows) and [cell.strip().lower() for cell in rows[0]] == _HEADER
    if len(rows) <= named:
        raise MalformedError(f"expected labels in {name}, found none")
    if not named:
        return [_label(row, line, name, limits.max_classes) for line, row in enumerate(rows, 1)]
    labels: dict[str, int] = {}
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(_HEADER) or not row[0] or row[0] in labels:
            raise MalformedError(f"expected file,label with each file once in {name}, row {line}, got {row!r:.80}")
        labels[row[0]] = _label(row[1:], line, name, limits.max_classes)
    return labels


def _label(row: list[str], line: int, name: str, max_classes: int) -> int:
    text = row[0].strip() if len(row) == 1 else ""
    value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(-1)
    if not 0 <= value < max_classes or value != int(value):
        raise MalformedError(f"expected whole numbers below {max_classes} in {name}, row {line}, got {row!r:.80}")
    return int(value)
