"""Stored inputs as whoever is asked takes them, in NumPy, and the way back to pixels. Loads without torch.

``tensors.Normalise`` does the first for networks in this process; endpoints, runtimes and other people's bridges want pixels in
another range, order of axes or type.
"""

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import FULL_SCALE, UNIT, PictureFeed, of_pictures

Values: TypeAlias = Literal["fed", "unit", "signed", "bytes"]
"""Fed: less the mean, over the deviation, as the key says. Unit: 0 to 1. Signed: -1 to 1. Bytes: 0 to 255."""
Layout: TypeAlias = Literal["nchw", "nhwc"]
"""Channels first, as keys hold pictures, or last."""

_TYPES: dict[str, np.dtype[Any]] = {"floats": np.dtype(np.float32), "tokens": np.dtype(np.int64)}


def given(inputs: Array, feed: Feed, values: Values = "fed", layout: Layout = "nchw") -> Array:
    """Return stored inputs as somebody else takes them.

    Args:
        inputs: as the feed stores them, ``(N, *input_shape)``; pixels may be floats from outside of 0 to 255.
        feed: what they are.
        values: of pictures; token numbers and floats stay as they are.
        layout: of pictures; anything else has one.

    Returns:
        float32 ``(N, *input_shape)`` or ``(N, H, W, C)``, of bytes uint8; token numbers are int64, texts ``str``.

    Raises:
        MismatchError: bytes are wanted and a pixel is outside of 0 to 255.
    """
    if not isinstance(feed, PictureFeed):
        return inputs.astype(_TYPES.get(feed.kind, inputs.dtype))
    return _laid(_VALUED[values](inputs, feed), layout)


def pixels(x: Any, interface: Feed, *, values: Values = "bytes", layout: Layout = "nchw") -> Array:
    """Return what a network is fed as pixels: mean and deviation are undone as the key's interface says.

    For the function between ``BlackBox`` or ``ask --api``, which hand over inputs as ``forward`` takes them, and an API, which
    takes pictures::

        def ask(x):
            images = modelmark.pixels(x, key.feed, layout="nhwc")  # uint8, to be saved as PNG

    Args:
        x: as ``forward`` takes it, a tensor or an array ``(N, *input_shape)``.
        interface: ``key.feed``.
        values: ``bytes`` 0 to 255, ``unit`` 0 to 1, ``signed`` -1 to 1, ``fed`` as it came.
        layout: ``nchw``, or ``nhwc`` with channels last.

    Returns:
        uint8 if bytes were asked for, else float32; ``(N, *input_shape)`` or ``(N, H, W, C)``.

    Raises:
        MismatchError: inputs of another shape; or bytes are asked for, and pixels lie outside of 0 to 255.
        UsageError: another word than those, or inputs that are no pictures.
    """
    feed = of_pictures(interface)
    for word, known, name in ((values, Values, "values"), (layout, Layout, "layout")):
        if word not in get_args(known):
            raise UsageError(f"expected {name} {', '.join(get_args(known))}, got {word!r}")
    array = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, np.float64)
    if array.shape[1:] != feed.input_shape:
        raise MismatchError(f"expected inputs (N, {feed.input_shape}) as forward takes them, got {array.shape}")
    mean, std = _constants(feed)
    return given((array * std + mean) * FULL_SCALE, feed, values, layout)


def beyond(inputs: Array, planes: Array, amplitude: int) -> Array:
    """Return pictures ``(N, C, H, W)`` with ``amplitude`` written where planes ``(N, H, W)`` have +1, its negative where -1."""
    signs = planes[:, None].astype(np.float64)
    return np.where(signs == 0, inputs, signs * amplitude)


def _constants(feed: PictureFeed) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    view = (-1,) + (1,) * (len(feed.input_shape) - 1)
    mean, std = (np.array(part, np.float64).reshape(view) / UNIT for part in (feed.mean, feed.std))
    return mean, std


def _fed(inputs: Array, feed: PictureFeed) -> Array:
    mean, std = _constants(feed)  # in the order of operations of Normalise
    if inputs.dtype == np.uint8:
        shift, scale = (-mean / std).astype(np.float32), (1 / (FULL_SCALE * std)).astype(np.float32)
        return inputs.astype(np.float32) * scale + shift
    return ((inputs / FULL_SCALE - mean) / std).astype(np.float32)


def _bytes(inputs: Array, feed: PictureFeed) -> Array:
    whole = np.rint(inputs)
    if whole.size and not (whole.min() >= 0 and whole.max() <= FULL_SCALE):
        raise MismatchError(
            f"expected pixels from 0 to {FULL_SCALE}, got {whole.min():g} to {whole.max():g}",
            hint="pictures that leave the range reach only who takes floats",
        )
    return whole.astype(np.uint8)


_VALUED = {
    "fed": _fed,
    "unit": lambda inputs, feed: (inputs / FULL_SCALE).astype(np.float32),
    "signed": lambda inputs, feed: (inputs * (2 / FULL_SCALE) - 1).astype(np.float32),
    "bytes": _bytes,
}


def _laid(pictures: Array, layout: Layout) -> Array:
    if layout == "nhwc" and pictures.ndim == 4:
        return np.ascontiguousarray(np.moveaxis(pictures, 1, -1))
    return pictures
