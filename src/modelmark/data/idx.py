"""``idx:DIR``: the four files MNIST and its relatives are published as, in the IDX format."""

import math
from pathlib import Path

import numpy as np

from modelmark.data.bounded import Bounded
from modelmark.data.dataset import Dataset, Images, Labels
from modelmark.data.limits import Budget, Limits
from modelmark.data.places import is_file, name_of, need_folder, path_of, shown
from modelmark.data.streams import open_bounded
from modelmark.errors import MalformedError

_UINT8 = 0x08  # the only element type these data sets use
_IMAGE_DIMENSIONS, _LABEL_DIMENSIONS = 3, 1


def read_idx(where: str, limits: Limits) -> Dataset:
    """Read ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two ``t10k-`` files from a folder.

    A dot may stand for the dash before ``idx``, and ``.gz`` may follow; where several spellings are there, the plain
    one is read, then the one with a dot. Images become uint8 (N, 1, H, W); class names are the labels' digits.

    Args:
        where: the folder.
        limits: caps; the four files together count as one data set.

    Raises:
        MalformedError: a file is missing, cut short, followed by more bytes, too large or of another kind.
        UsageError: no folder was named.
    """
    folder = need_folder(path_of(where, "idx:DIR"))
    budget = Budget(limits)
    train = _split(folder, "train", budget)
    test = _split(folder, "t10k", budget)
    highest = max(int(labels.max()) for _, labels in (train, test))
    return Dataset.measured(name_of(folder), train, test, tuple(str(label) for label in range(highest + 1)))


def _split(folder: Path, prefix: str, budget: Budget) -> tuple[Images, Labels]:
    images = _read(_find(folder, f"{prefix}-images", "idx3-ubyte"), _IMAGE_DIMENSIONS, budget)
    labels = _read(_find(folder, f"{prefix}-labels", "idx1-ubyte"), _LABEL_DIMENSIONS, budget)
    return images[:, None], labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str) -> Path:
    """Return the spelling of one file that is there."""
    for packed in ("", ".gz"):
        for joint in "-.":
            path = folder / f"{stem}{joint}{kind}{packed}"
            if is_file(path):
                return path
    raise MalformedError(f"expected a file at {shown(str(folder / stem))}-{kind}, found none, with .gz neither")


def _read(path: Path, dimensions: int, budget: Budget) -> Images:
    """Read one IDX file into a uint8 array of ``dimensions`` dimensions, none of them empty."""
    with open_bounded(path, budget, unpack=True) as stream:
        shape = _read_header(stream, dimensions, budget.limits)
        size = math.prod(shape)
        stream.expect(size)
        out = np.empty(size, np.uint8)
        stream.fill(out)
        stream.finish()
    return out.reshape(shape)


def _read_header(stream: Bounded, dimensions: int, limits: Limits) -> tuple[int, ...]:
    """Read the magic number, two zeros, the type and the count of dimensions, then each as big-endian uint32."""
    zero, zero_too, kind, count = stream.exactly(4)
    if zero or zero_too:
        raise MalformedError(f"expected an IDX file, whose first two bytes are zero, got another kind in {stream.name}")
    if kind != _UINT8:
        raise MalformedError(f"expected IDX type 0x08 (uint8) in {stream.name}, got 0x{kind:02x}")
    if count != dimensions or count > limits.max_dimensions:
        raise MalformedError(f"expected {dimensions} IDX dimensions in {stream.name}, got {count}")
    shape = tuple(int.from_bytes(stream.exactly(4), "big") for _ in range(count))
    if 0 in shape or shape[0] > limits.max_items or math.prod(shape[1:]) > limits.max_pixels:
        raise MalformedError(
            f"expected 1 to {limits.max_items} items of at most {limits.max_pixels} pixels in {stream.name},"
            f" got shape {shape}"
        )
    return shape
