"""Bringing what an owner already has: own trigger pictures, and marks made with the papers' own releases."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from modelmark.data.pictures import read_labels, read_pictures
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.base import Feed

MAX_ARRAY = 2**30
"""Bytes. A projection of 2,048 bits over 100,000 weights in float32 is 0.8 GB; nothing honest is larger."""

Array = npt.NDArray[Any]


def own_pictures(
    images: Path, labels: Path | None, feed: Feed, how: str = ""
) -> tuple[dict[str, Array], dict[str, object]]:
    """Return what a key of ``adi`` holds for a folder of pictures, and the settings that this implies.

    Args:
        images: of the pictures.
        labels: file of the labels of an older mark; None: they are drawn.
        feed: the pictures are fitted to it.
        how: see ``fitted``; empty: ``crop`` where there are labels, as in the release, else ``resize``.

    Raises:
        MalformedError: a file is not what it should be.
    """
    pictures = read_pictures(images)
    shown = fitted(list(pictures.values()), feed, how or ("crop" if labels else "resize"))
    if labels is None:
        return {"triggers": shown}, {"pictures": "own"}
    chosen = match_labels(read_labels(labels), list(pictures))
    return {"triggers": shown, "labels": chosen}, {"pictures": "own", "message": "imported"}


def older_projection(
    matrix: Path, message: Path, kernel: tuple[int, ...], axes: str = ""
) -> tuple[dict[str, Array], dict[str, object]]:
    """Return what a key of ``uchida`` holds for a mark of the release, and the settings that this implies.

    Args:
        matrix: file of the projection, ``(M, T)``.
        message: file of its bits, ``(T,)``.
        kernel: one filter of the marked layer.
        axes: see ``projection``; empty: ``keras``.

    Raises:
        MalformedError: a file is not what it should be.
    """
    found = {"matrix": projection(array(matrix), kernel, axes or "keras"), "bits": bits(array(message))}
    return found, {"message": "imported"}


def fitted(pictures: list[Array], feed: Feed, how: str) -> Array:
    """Return pictures of any sizes as uint8 ``(n, C, H, W)``.

    Args:
        pictures: uint8 ``(H, W)`` or ``(H, W, 3)``.
        feed: gives C, H and W; colour becomes grey, or grey colour, where needed.
        how: ``crop`` takes the centre without resizing (the release of Adi et al.), ``resize`` the whole picture.
    """
    if how not in ("crop", "resize"):
        raise UsageError(f"expected crop or resize for --fit, got {how!r}")
    if len(feed.input_shape) != 3 or feed.input_shape[0] not in (1, 3):
        raise UsageError(f"expected a model of grey or colour pictures, got inputs {feed.input_shape}")
    channels, height, width = feed.input_shape
    out = np.empty((len(pictures), channels, height, width), np.uint8)
    for index, picture in enumerate(pictures):
        image = Image.fromarray(picture).convert("L" if channels == 1 else "RGB")
        if how == "crop":
            top, left = round((image.height - height) / 2), round((image.width - width) / 2)
            if top < 0 or left < 0:
                raise UsageError(
                    f"expected pictures of at least {width} x {height} to crop, got {image.width} x {image.height}",
                    hint="use --fit resize",
                )
            image = image.crop((left, top, left + width, top + height))
        else:
            image = image.resize((width, height), Image.Resampling.BOX)
        out[index] = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
    return out


def match_labels(labels: dict[str, int] | list[int], names: list[str]) -> Array:
    """Return the label of each picture, int64 ``(n,)``.

    Args:
        labels: by file name, or in the lexicographic order of file names: 1, 10, 100, 11, ... as in the release.
        names: the pictures' file names in lexicographic order.
    """
    if len(labels) != len(names):
        raise MalformedError(f"expected {len(names)} labels, one per picture, got {len(labels)}")
    if isinstance(labels, list):
        return np.array(labels, np.int64)
    missing = sorted(set(names) - set(labels))
    if missing:
        raise MalformedError(f"expected a label for every picture, got none for {missing[0]}")
    return np.array([labels[name] for name in names], np.int64)


def projection(matrix: Array, kernel: tuple[int, ...], axes: str) -> Array:
    """Return an imported projection as float32 ``(T, M)`` in PyTorch's order of M.

    Args:
        matrix: ``(M, T)``, as the release of Uchida et al. stores it: columns are bits.
        kernel: one filter of the layer, ``(D, S, S)`` or ``(D,)``.
        axes: the order in which M was flattened: ``keras`` (S, S, D) or ``pytorch`` (D, S, S).
    """
    if axes not in ("keras", "pytorch"):
        raise UsageError(f"expected keras or pytorch for --axes, got {axes!r}")
    width = int(np.prod(kernel))
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or matrix.shape[0] != width:
        raise UsageError(f"expected a matrix M x T with M = {width} for that layer, got {matrix.dtype} {matrix.shape}")
    with np.errstate(over="ignore"):
        matrix = matrix.astype(np.float32)
    if not np.isfinite(matrix).all():
        raise MalformedError("expected finite numbers in the projection matrix, got NaN, infinity or too large ones")
    if axes == "keras" and len(kernel) > 1:
        spatial_first = matrix.reshape(*kernel[1:], kernel[0], -1)
        matrix = np.moveaxis(spatial_first, -2, 0).reshape(width, -1)
    return np.ascontiguousarray(matrix.T)


def bits(message: Array) -> Array:
    """Return imported bits as uint8 ``(T,)``."""
    flat = message.reshape(-1)
    if flat.dtype.kind not in "fiub" or not np.isin(flat, (0, 1)).all() or len(flat) == 0:
        raise MalformedError(f"expected bits 0 and 1 in the message, got {message.dtype} {message.shape} with others")
    return flat.astype(np.uint8)


def array(path: Path) -> Array:
    """Return the array of a ``.npy`` file, of at most ``MAX_ARRAY`` bytes and without pickle."""
    if not path.is_file():
        raise MalformedError(f"expected an array at {path}, found none")
    if path.stat().st_size > MAX_ARRAY:
        raise MalformedError(f"expected an array of at most {MAX_ARRAY} bytes in {path}, got more")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise MalformedError(f"expected a .npy array in {path}, got: {str(error).splitlines()[0]}"[:200]) from None
    if not isinstance(loaded, np.ndarray):
        raise MalformedError(f"expected a single .npy array in {path}, got an archive")
    return loaded
