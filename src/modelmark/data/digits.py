"""``digits``: the 1,797 handwritten 8x8 digits that come with scikit-learn."""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelmark.data.dataset import Dataset, split_by_class
from modelmark.data.streams import Limits
from modelmark.errors import UsageError

_BRIGHTEST = 16
_FILE = Path("datasets", "data", "digits.csv.gz")


def read_digits(where: str, limits: Limits) -> Dataset:
    """Read the bundled digits: uint8 (N, 1, 8, 8), values 0..16 scaled to 0..255 by ``v * 255 // 16``."""
    if where:
        raise UsageError(f"expected digits alone, got digits:{where}")
    rows = _rows()
    # an axis of one channel whose step torch takes for that of channels that stand last: kept rows were measured so
    images = (rows[:, :-1] * 255 // _BRIGHTEST).astype(np.uint8).reshape(-1, 8, 8)[:, None]
    labels = rows[:, -1]
    classes = tuple(str(digit) for digit in range(10))
    train, test = split_by_class(labels, classes)
    return Dataset.measured("digits", (images[train], labels[train]), (images[test], labels[test]), classes)


@cache
def _rows() -> npt.NDArray[np.int64]:
    """Return pixels and label of each digit, (1797, 65); read once, and never handed on but in parts that are copies.

    From scikit-learn's file, since importing all of it takes longer than all else here; where there is none, from its function.
    """
    spec = find_spec("sklearn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / _FILE).is_file():
            with gzip.open(Path(folder) / _FILE, "rt") as stream:
                return np.loadtxt(stream, delimiter=",").astype(np.int64)
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.column_stack([found.data, found.target]).astype(np.int64)
