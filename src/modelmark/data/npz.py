"""``npz:FILE``: four arrays saved with numpy, their headers judged before their bytes are read."""

import math
import zipfile

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from modelmark.data.dataset import Dataset, Images, Labels
from modelmark.data.streams import Budget, Limits, Stream, judging, name_of, need, path_of, shown
from modelmark.errors import MalformedError

_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
_SHORT_NAMES = ("x_train", "y_train", "x_test", "y_test")
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_CHANNELS = (1, 3)


def read_npz(where: str, limits: Limits) -> Dataset:
    """Read ``train_images``, ``train_labels``, ``test_images``, ``test_labels``, or ``x_train`` and so on; not others.

    Images are uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels; labels are integers, (N,) or (N, 1).
    Class names are the labels' digits.
    """
    path = need(path_of(where, "npz:FILE"), "file")
    name, budget = shown(path.name), Budget(limits)
    with judging(name), zipfile.ZipFile(path) as archive:
        there = archive.namelist()
        names = next((names for names in (_NAMES, _SHORT_NAMES) if {f"{name}.npy" for name in names} <= {*there}), None)
        if names is None:
            found = ", ".join(sorted(there)[:8])
            raise MalformedError(f"expected arrays {', '.join(_NAMES)} (or x_train, ...) in {name}, got {found!r:.200}")
        arrays = []
        for part in names:
            with archive.open(f"{part}.npy") as raw:
                arrays.append(read_array(Stream(raw, budget, f"{part}.npy in {name}"), limits))
    train = _images(arrays[0], names[0]), labels_of(arrays[1])
    test = _images(arrays[2], names[2]), labels_of(arrays[3])
    return Dataset.numbered(name_of(path), train, test, limits.max_classes)


def read_array(stream: Stream, limits: Limits) -> npt.NDArray[np.generic]:
    """Read one array of integers that fills its member exactly."""
    with judging(stream.name):
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise MalformedError(f"expected npy version 1.0 or 2.0 in {stream.name}, got {version}")
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.kind not in "iu":
            raise MalformedError(f"expected an array of integers in {stream.name}, got {str(dtype)[:40]}")
        if not 1 <= len(shape) <= 4 or min(shape) < 1 or shape[0] > limits.max_items:
            raise MalformedError(
                f"expected 1 to {limits.max_items} items of 1 to 4 dimensions in {stream.name}, got shape {shape!r:.80}"
            )
        data = stream.last(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _images(array: npt.NDArray[np.generic], name: str) -> Images:
    """Return (N, C, H, W), in that order in memory."""
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise MalformedError(f"expected {name} as uint8 of 3 or 4 dimensions, got {array.dtype} {array.shape}")
    images = array.astype(np.uint8, copy=False)
    if images.ndim == 3:
        return np.ascontiguousarray(images[:, None])
    first, last = images.shape[1] in _CHANNELS, images.shape[3] in _CHANNELS
    if first == last:
        problem = "ambiguous: channels could be first or last" if first else "no place for 1 or 3 channels"
        raise MalformedError(f"expected {name} as (N, H, W, C) or (N, C, H, W), got {images.shape}, {problem}")
    return np.ascontiguousarray(images if first else images.transpose(0, 3, 1, 2))


def labels_of(array: npt.NDArray[np.generic]) -> Labels:
    """Return integers ``(N,)`` or ``(N, 1)`` as labels."""
    return (array[:, 0] if array.shape[1:] == (1,) else array).astype(np.int64)
