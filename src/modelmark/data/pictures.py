"""A folder of loose pictures and the list of labels beside it, such as an owner's own trigger images."""

import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from modelmark.data.dataset import Images
from modelmark.data.decode import SUFFIXES, decode, is_picture
from modelmark.data.limits import DEFAULT_LIMITS, Budget, Limits
from modelmark.data.places import need_folder, one_line, shown
from modelmark.data.streams import open_bounded
from modelmark.data.tree import walk
from modelmark.errors import MalformedError

_HEADER = ["file", "label"]
_NUMBER = re.compile(r"\+?[0-9]{1,20}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def read_pictures(folder: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, Images]:
    """Decode every picture of a flat folder; sizes may differ.

    Returns:
        For each file name, in lexicographic order (1.png, 10.png, 100.png, 11.png), uint8 (H, W) for a greyscale
        picture and (H, W, 3) RGB for any other.

    Raises:
        MalformedError: no such folder, no pictures in it, folders or other files in it (hidden ones are left out), or a
            picture that is damaged or too large.
    """
    tree = walk(need_folder(folder), limits)
    if tree.folders:
        raise MalformedError(f"expected pictures only in {tree.name}, got a folder: {'/'.join(min(tree.folders))!r}")
    if not tree.files:
        raise MalformedError(f"expected pictures in {tree.name}, found none")
    files = {parts[0]: content for parts, content in sorted(tree.files.items())}
    for name in files:
        if not is_picture(name):
            raise MalformedError(f"expected only pictures ({', '.join(SUFFIXES)}) in {tree.name}, got {name!r}")
    packed, pixels = Budget(limits), Budget(limits)
    pictures = {}
    for name, content in files.items():
        pictures[name] = decode(content, name, packed)
        pixels.take(pictures[name].size, name)
    return pictures


def read_labels(path: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, int] | list[int]:
    """Read the labels of loose pictures.

    Returns:
        For a CSV file with the header ``file,label``, the label of each file name. For a file with one number per line,
        the list of them, which belongs to the pictures in lexicographic order of their names.

    Raises:
        MalformedError: no such file, not UTF-8 text, empty, a file name twice, or a label that is not a whole number
            from 0 up to the cap on classes. ``3.000e+00``, as ``numpy.savetxt`` writes, is one.
    """
    name = shown(path.name)
    with open_bounded(path, Budget(replace(limits, max_bytes=limits.max_label_bytes)), unpack=False) as stream:
        raw = stream.rest()
    try:
        text = raw.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedError(f"expected labels as text in {name}, got: {one_line(error)}") from error
    while rows and not rows[-1]:
        rows.pop()
    if rows and [cell.strip().lower() for cell in rows[0]] == _HEADER:
        return _by_name(rows[1:], name, limits.max_classes)
    if not rows:
        raise MalformedError(f"expected labels in {name}, found none")
    return [_label(row, line, name, limits.max_classes) for line, row in enumerate(rows, 1)]


def _by_name(rows: list[list[str]], name: str, max_classes: int) -> dict[str, int]:
    labels: dict[str, int] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(_HEADER) or not row[0] or row[0] in labels:
            raise MalformedError(f"expected file,label with each file once in {name}, row {line}, got {row!r:.80}")
        labels[row[0]] = _label(row[1:], line, name, max_classes)
    if not labels:
        raise MalformedError(f"expected labels in {name}, found only the header")
    return labels


def _label(row: list[str], line: int, name: str, max_classes: int) -> int:
    text = row[0].strip() if len(row) == 1 else ""
    value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(-1)
    if not 0 <= value < max_classes or value != int(value):
        raise MalformedError(
            f"expected a whole number from 0 to {max_classes - 1} in {name}, row {line}, got {row!r:.80}"
        )
    return int(value)
