"""The digits are scikit-learn's, whether they are read from its file or asked for."""

import sys
from importlib import metadata

import numpy as np
import pytest

from modelmark import data
from modelmark.data import digits
from modelmark.data.streams import Limits


def parts(read):
    return [getattr(read, f"{split}_{part}") for split in ("train", "test") for part in ("images", "labels")]


def test_its_file_holds_what_its_function_returns(monkeypatch):
    """Seen of scikit-learn 1.9.1; where another one lays its file elsewhere, the function is asked."""
    read = parts(data.load("digits"))
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    asked = parts(digits.read_digits("", Limits()))
    assert all(map(np.array_equal, read, asked)), metadata.version("scikit-learn")
    assert (len(read[0]) + len(read[2]), read[0].max(), read[0].dtype) == (1797, 255, np.uint8)


def test_scikit_learn_is_not_imported_for_them(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    digits.read_digits("", Limits())
    assert "sklearn" not in sys.modules
    monkeypatch.setattr(digits, "_FILE", digits._FILE / "nowhere")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError):
        digits.read_digits("", Limits())
