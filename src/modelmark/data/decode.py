"""Turning the bytes of one picture into numbers, with Pillow, and refusing whatever is not one plain picture."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from modelmark.data.dataset import Images
from modelmark.data.limits import Budget
from modelmark.data.places import one_line
from modelmark.data.streams import open_bounded
from modelmark.errors import MalformedError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm")
_FORMATS = ("PNG", "JPEG", "BMP", "PPM")  # a short list: every further decoder is a further way in
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"  # Pillow is content without it
_GREY_MODES, _COLOUR_MODES = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_BOMB_ERRORS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_PILLOW_ERRORS = (  # all of these come out of Pillow's decoders when their input is damaged
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError, AttributeError),
    *(struct.error, zlib.error),
)


def is_picture(name: str) -> bool:
    """Say whether a file of this name is taken for a picture."""
    return name.lower().endswith(SUFFIXES)


def decode(content: bytes | Path, name: str, budget: Budget) -> Images:
    """Decode one PNG, JPEG, BMP or PPM picture, as stored: no rotation by EXIF, transparency dropped.

    Args:
        content: the file's bytes, or the file, whose bytes then count against ``budget``.
        name: what messages call it.
        budget: holds the cap on pixels.

    Returns:
        uint8, (H, W) for a greyscale picture, (H, W, 3) RGB for any other.

    Raises:
        MalformedError: not such a picture, cut short, too many pixels, or not 8 bits per channel.
    """
    if isinstance(content, Path):
        with open_bounded(content, budget, unpack=False) as stream:
            content = stream.rest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is not used
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.format == "PNG" and _PNG_END not in content:
                    raise MalformedError(f"expected a whole picture in {name}, got a PNG file without its end")
                return _pixels(picture, name, budget.limits.max_pixels)
        except _BOMB_ERRORS as error:
            raise MalformedError(f"expected a picture, got a bomb in {name}: {one_line(error)}") from error
        except _PILLOW_ERRORS as error:
            raise MalformedError(f"expected a whole picture in {name}, got: {_reason(error)}") from error


def _pixels(picture: Image.Image, name: str, max_pixels: int) -> Images:
    width, height = picture.size
    if width * height > max_pixels:
        raise MalformedError(f"expected at most {max_pixels} pixels in {name}, got {width}x{height}")
    if picture.mode in _GREY_MODES:
        return np.array(picture.convert("L"))
    if picture.mode in _COLOUR_MODES:
        return np.array(picture.convert("RGB"))
    raise MalformedError(f"expected 8 bits per channel in {name}, got Pillow's mode {picture.mode}")


def _reason(error: Exception) -> str:
    return "not a PNG, JPEG, BMP or PPM file" if isinstance(error, UnidentifiedImageError) else one_line(error)
