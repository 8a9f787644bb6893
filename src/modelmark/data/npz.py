"""``npz:FILE``: four arrays saved with numpy, their announced sizes judged before anything is reserved."""

import math
import tokenize
import warnings

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from modelmark.data.bounded import Bounded
from modelmark.data.dataset import Dataset, Images, Labels
from modelmark.data.limits import Budget, Limits
from modelmark.data.places import name_of, one_line, path_of
from modelmark.data.zips import Zip, open_zip
from modelmark.errors import MalformedError

_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
_SHORT_NAMES = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3)
_NUMPY_ERRORS = (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)


def read_npz(where: str, limits: Limits) -> Dataset:
    """Read ``train_images``, ``train_labels``, ``test_images``, ``test_labels``, or ``x_train`` and so on; not others.

    Images are uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels; labels are integers, (N,) or (N, 1).
    Class names are the labels' digits.

    Args:
        where: the file.
        limits: caps; the arrays together count as one data set.

    Raises:
        MalformedError: no such file or array, an array that is damaged, too large, or of another type or shape, or
            images whose channels could be in two places.
        UsageError: no file was named.
    """
    path = path_of(where, "npz:FILE")
    with open_zip(path, Budget(limits)) as archive:
        names = _choose(archive)
        arrays = [_read(archive, f"{name}.npy", limits) for name in names]
    train = _images(arrays[0], names[0]), _labels(arrays[1], names[1], limits)
    test = _images(arrays[2], names[2]), _labels(arrays[3], names[3], limits)
    highest = max(int(labels.max()) for _, labels in (train, test))
    return Dataset.measured(name_of(path), train, test, tuple(str(label) for label in range(highest + 1)))


def _choose(archive: Zip) -> tuple[str, ...]:
    for names in (_NAMES, _SHORT_NAMES):
        if all(f"{name}.npy" in archive.members for name in names):
            return names
    there = ", ".join(sorted(archive.members)[:8])
    raise MalformedError(f"expected arrays {', '.join(_NAMES)} (or x_train, ...) in {archive.name}, got {there!r:.200}")


def _read(archive: Zip, member: str, limits: Limits) -> npt.NDArray[np.generic]:
    """Read one array after judging its header against the member's size."""
    size = archive.members[member].file_size
    with archive.open(member) as stream:
        _check_header(stream, size, limits)
    with archive.open(member) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of headers written by Python 2
        try:
            array: npt.NDArray[np.generic] = npy.read_array(stream, allow_pickle=False)
        except _NUMPY_ERRORS as error:
            raise MalformedError(f"expected a numpy array in {stream.name}, got: {one_line(error)}") from error
        stream.finish()
    return array


def _check_header(stream: Bounded, size: int, limits: Limits) -> None:
    """Refuse an array of objects, of too many items or dimensions, or that does not fill its member exactly."""
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy version {version}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = reader(stream)
    except _NUMPY_ERRORS as error:
        raise MalformedError(f"expected a numpy array in {stream.name}, got: {one_line(error)}") from error
    if dtype.kind not in "iu":
        raise MalformedError(f"expected an array of integers in {stream.name}, got {str(dtype)[:40]}")
    if not 1 <= len(shape) <= limits.max_dimensions or min(shape) < 1 or shape[0] > limits.max_items:
        raise MalformedError(
            f"expected 1 to {limits.max_items} items of 1 to {limits.max_dimensions} dimensions in {stream.name},"
            f" got shape {shape!r:.80}"
        )
    announced = math.prod(shape) * dtype.itemsize
    if stream.count + announced != size:
        raise MalformedError(f"expected {announced} bytes of array in {stream.name}, got {size - stream.count}")


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


def _labels(array: npt.NDArray[np.generic], name: str, limits: Limits) -> Labels:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise MalformedError(f"expected {name} of shape (N,), got {array.shape}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= limits.max_classes:
        raise MalformedError(f"expected {name} from 0 to {limits.max_classes - 1}, got {low} to {high}")
    return array.astype(np.int64)
