"""Marks made with the authors' DeepSigns, or its ports: ``.npy`` of a projection, of bits and of keys, labels as text."""

from pathlib import Path

import numpy as np

from modelmark.data.pictures import read_labels
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, PictureFeed
from modelmark.marks.imported import Array, array, bits

ROUNDING = 1e-3
"""How far from a whole byte a number may be that was a byte, divided by 255 in single precision and multiplied again."""


def older_means(matrix: Path, message: Path, carrying: str) -> tuple[dict[str, Array], dict[str, object]]:
    """Return what a key of ``deepsigns`` holds for a white-box mark of the demo, and the settings that this implies.

    Args:
        matrix: file of the projection A, ``(N, M)``, as ``projection_matrix.npy``.
        message: file of the bits b: ``(N, C)``, a column for every class, or ``(N,)`` where one class carries.
        carrying: the classes that carry bits, as the setting has them.

    Raises:
        MalformedError: a file is not what it should be.
        UsageError: the files do not belong together.
    """
    return {"matrix": rows(array(matrix)), "bits": columns(array(message), carrying)}, {"message": "imported"}


def older_keys(keys: Path, labels: Path, feed: Feed) -> tuple[dict[str, Array], dict[str, object]]:
    """Return what a key of ``deepsigns-blackbox`` holds for a black-box mark of the demo, and the settings that this implies.

    Args:
        keys: file of the inputs, ``(K, ...)``, as ``keyRandomImage_keyLength20.npy``.
        labels: one number a line, as ``numpy.savetxt`` writes; or ``.npy`` of numbers or one-hot rows.
        feed: the inputs are fitted to it.

    Raises:
        MalformedError: a file is not what it should be.
        UsageError: the files do not belong together.
    """
    given = numbers(array(labels)) if labels.suffix == ".npy" else read_labels(labels)
    if isinstance(given, dict):
        raise UsageError("expected the labels of keys by their order, one number a line, got names of files")
    found = inputs(array(keys), feed)
    if len(given) != len(found):
        raise UsageError(f"expected {len(found)} labels, one for each key, got {len(given)}")
    return {"keys": found, "labels": np.array(given, np.int64)}, {"message": "imported"}


def rows(matrix: Array) -> Array:
    """Return an imported projection as float32 ``(N, M)``."""
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
        raise MalformedError(f"expected a projection N x M, got {matrix.dtype} {matrix.shape}")
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(matrix, np.float32)
    if not np.isfinite(found).all():
        raise MalformedError("expected finite numbers in the projection matrix, got NaN, infinity or too large ones")
    return found


def columns(message: Array, carrying: str) -> Array:
    """Return the bits of each carrying class, uint8 ``(s, N)``."""
    try:
        classes = [int(number) for number in carrying.split(",")]
    except ValueError:
        raise UsageError(
            f"expected the classes that carry the older mark, got {carrying!r}", hint="name them: --set carrying=0"
        ) from None
    if message.ndim not in (1, 2):
        raise MalformedError(f"expected bits N, or N x classes, got {message.dtype} {message.shape}")
    flat: Array = bits(message).reshape(message.shape)
    if flat.ndim == 1 or flat.shape[1] == 1:
        if len(classes) != 1:
            raise UsageError(f"expected bits of {len(classes)} classes, got those of one")
        return flat.reshape(1, -1)
    if not 0 <= min(classes) <= max(classes) < flat.shape[1]:
        raise UsageError(f"expected carrying below {flat.shape[1]}, the columns of the message, got {carrying}")
    return np.ascontiguousarray(flat[:, classes].T)


def numbers(labels: Array) -> Array:
    """Return class numbers, int64 ``(K,)``, of numbers or one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "fiub":
        if not np.isin(labels, (0, 1)).all() or (labels.sum(axis=1) != 1).any():
            raise MalformedError(f"expected one-hot rows of labels, got {labels.dtype} {labels.shape} with others")
        return labels.argmax(axis=1)
    flat = labels.reshape(-1)
    if flat.dtype.kind not in "fiu" or not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
        raise MalformedError(f"expected class numbers in the labels, got {labels.dtype} {labels.shape}")
    return flat.astype(np.int64)


def inputs(keys: Array, feed: Feed) -> Array:
    """Return keys as the feed stores inputs, ``(K, *input_shape)``.

    Args:
        keys: flat, channels first, or channels last as Keras has them; of pictures bytes, or bytes divided by 255.
        feed: of the model.

    Raises:
        MalformedError: numbers that no input of the feed has, such as noise that was never a picture.
        UsageError: another shape.
    """
    shape = feed.input_shape
    if feed.kind not in ("pictures", "floats"):
        raise UsageError(f"expected a model of pictures or floats for older keys, got one of {feed.kind}")
    if keys.ndim == 4 and len(shape) == 3 and keys.shape[1:] == (*shape[1:], shape[0]) != shape:
        keys = np.moveaxis(keys, -1, 1)
    if keys.ndim < 2 or not keys.size or keys[0].size != int(np.prod(shape)) or keys.dtype.kind not in "fiu":
        raise UsageError(f"expected keys of {shape}, got {keys.dtype} {keys.shape}")
    if isinstance(feed, PictureFeed) and keys.dtype != np.uint8:
        scaled = keys.astype(np.float64) * FULL_SCALE
        whole = np.rint(scaled)
        if not (np.abs(scaled - whole) < ROUNDING).all() or whole.min() < 0 or whole.max() > FULL_SCALE:
            raise MalformedError(
                f"expected pictures as bytes, or bytes divided by 255, got numbers from {keys.min():g} to {keys.max():g}",
                hint="keys that were never pictures, such as normal noise, need a model that is fed numbers (floats)",
            )
        keys = whole
    return np.ascontiguousarray(keys.reshape(-1, *shape), feed.dtype)
