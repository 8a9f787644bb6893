"""``idx:DIR``: the four files MNIST and its relatives are published as, in the IDX format."""

import math
import os
import struct
from pathlib import Path

import numpy as np

from modelmark.data.dataset import Dataset, Images, Split
from modelmark.data.streams import Budget, Limits, name_of, need, open_stream, path_of, shown
from modelmark.errors import MalformedError

_IMAGES, _LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"  # the element type, uint8, and the number of dimensions


def read_idx(where: str, limits: Limits) -> Dataset:
    """Read ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two ``t10k-`` files from a folder.

    A dot may stand for the dash before ``idx``, and ``.gz`` may follow; where several spellings are there, the plain
    one is read, then the one with a dot. Images become uint8 (N, 1, H, W); class names are the labels' digits.
    """
    folder = need(path_of(where, "idx:DIR"), "folder")
    budget = Budget(limits)
    train, test = _split(folder, "train", budget), _split(folder, "t10k", budget)
    return Dataset.numbered(name_of(folder), train, test, limits.max_classes)


def _split(folder: Path, prefix: str, budget: Budget) -> Split:
    images = _read(_find(folder, f"{prefix}-images", "idx3-ubyte"), _IMAGES, budget)
    labels = _read(_find(folder, f"{prefix}-labels", "idx1-ubyte"), _LABELS, budget)
    return images[:, None], labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str) -> Path:
    for ending in (f"-{kind}", f".{kind}", f"-{kind}.gz", f".{kind}.gz"):
        if os.path.isfile(path := folder / (stem + ending)):
            return path
    raise MalformedError(f"expected a file at {shown(str(folder / stem))}-{kind}, found none, with .gz neither")


def _read(path: Path, kind: bytes, budget: Budget) -> Images:
    """Read the magic number, the dimensions as big-endian uint32, and the uint8 array they announce."""
    limits = budget.limits
    with open_stream(path, budget) as stream:
        if (magic := stream.read(len(kind))) != kind:
            raise MalformedError(f"expected an IDX file that begins {kind.hex()} in {stream.name}, got {magic.hex()!r}")
        shape = struct.unpack(f">{kind[-1]}I", stream.read(4 * kind[-1]))
        if 0 in shape or shape[0] > limits.max_items or math.prod(shape[1:]) > limits.max_pixels:
            raise MalformedError(
                f"expected 1 to {limits.max_items} items of at most {limits.max_pixels} pixels in {stream.name},"
                f" got shape {shape}"
            )
        return np.frombuffer(stream.last(math.prod(shape)), np.uint8).reshape(shape)
