"""Bringing what an owner already has: own trigger pictures, and marks made with the papers' own releases."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from modelmark import layers
from modelmark.data.pictures import read_labels, read_pictures
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.base import Feed

MAX_ARRAY = 2**30
"""Bytes. A projection of 2,048 bits over 100,000 weights in float32 is 0.8 GB; nothing honest is larger."""

Array = npt.NDArray[Any]


def gather(
    scheme: str,
    model: nn.Module,
    layer: str,
    interface: Feed,
    *,
    images: Path | None,
    labels: Path | None,
    fit: str,
    matrix: Path | None,
    message: Path | None,
    axes: str,
) -> tuple[dict[str, Array], dict[str, object]]:
    """Return the attachments of a key and the settings they imply, from what ``keygen`` was given.

    Raises:
        UsageError: options that do not go together.
        MalformedError: a file that is not what it should be.
    """
    if (images or labels) and scheme != "adi":
        raise UsageError(f"expected --images and --labels with adi, got {scheme}")
    if (matrix or message) and scheme != "uchida":
        raise UsageError(f"expected --matrix and --message with uchida, got {scheme}")
    if (fit and not images) or (axes and not matrix):
        raise UsageError("expected --fit with --images and --axes with --matrix, got one without the other")
    if labels and not images:
        raise UsageError("expected --images with --labels: the pictures the labels belong to")
    if bool(matrix) != bool(message):
        raise UsageError("expected --matrix and --message together")
    if images:
        pictures = read_pictures(images)
        attachments: dict[str, Array] = {
            "triggers": fitted(list(pictures.values()), interface, fit or ("crop" if labels else "resize"))
        }
        implied: dict[str, object] = {"pictures": "own"}
        if labels:
            attachments["labels"] = match_labels(read_labels(labels), list(pictures))
            implied["message"] = "imported"
        return attachments, implied
    if matrix and message:
        if not layer:
            raise UsageError("expected the marked layer with --matrix", hint="name it: --set layer=...")
        kernel = layers.find(model, layer).kernel
        return {
            "matrix": projection(_array(matrix), kernel, axes or "keras"),
            "bits": bits(_array(message)),
        }, {"message": "imported"}
    return {}, {}


def fitted(pictures: list[Array], interface: Feed, how: str) -> Array:
    """Return pictures of any sizes as uint8 ``(n, C, H, W)``.

    Args:
        pictures: uint8 ``(H, W)`` or ``(H, W, 3)``.
        interface: gives C, H and W; colour becomes grey, or grey colour, where needed.
        how: ``crop`` takes the centre without resizing (the release of Adi et al.), ``resize`` the whole picture.
    """
    if how not in ("crop", "resize"):
        raise UsageError(f"expected crop or resize for --fit, got {how!r}")
    if len(interface.input_shape) != 3 or interface.input_shape[0] not in (1, 3):
        raise UsageError(f"expected a model of grey or colour pictures, got inputs {interface.input_shape}")
    channels, height, width = interface.input_shape
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


def _array(path: Path) -> Array:
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
