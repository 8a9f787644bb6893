"""Data sets: the images and labels a mark is embedded with and judged on, read from what a person names."""

from collections.abc import Callable

from modelmark.data.dataset import Dataset
from modelmark.data.digits import read_digits
from modelmark.data.idx import read_idx
from modelmark.data.images import read_images
from modelmark.data.npz import read_npz
from modelmark.data.pictures import read_labels, read_pictures
from modelmark.data.streams import DEFAULT_LIMITS, Limits
from modelmark.errors import UsageError
from modelmark.naming import suggest

__all__ = ["READERS", "Dataset", "Limits", "load", "read_labels", "read_pictures"]

READERS: dict[str, Callable[[str, Limits], Dataset]] = {
    "digits": read_digits,
    "idx": read_idx,
    "images": read_images,
    "npz": read_npz,
}


def load(spec: str, *, limits: Limits = DEFAULT_LIMITS) -> Dataset:
    """Read the data set ``spec`` names: ``digits``, ``idx:DIR``, ``images:DIR``, ``images:FILE.tar.xz``, ``npz:FILE``.

    Args:
        spec: the reader, and after a colon what it reads.
        limits: how much the data set may ask of this machine.

    Returns:
        The data set; images are uint8 (N, C, H, W), full scale 255.

    Raises:
        UsageError: no such reader, a path left out, or pictures of different sizes.
        MalformedError: what is there is missing, damaged, too large or not of the form the reader expects.
    """
    kind, _, where = spec.partition(":")
    reader = READERS.get(kind)
    if reader is None:
        raise UsageError(
            f"expected digits, idx:DIR, images:DIR, images:FILE.tar.xz or npz:FILE, got {spec!r}",
            hint=suggest(kind, READERS),
        )
    return reader(where, limits)
