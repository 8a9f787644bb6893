"""The digits are scikit-learn's, whether they are read from its file or asked for."""

import sys
from importlib import metadata

import numpy as np
import pytest
import torch

from modelmark import data
from modelmark.data import digits
from modelmark.data.streams import Limits
from modelmark.training.task import Task


def parts(read):
    return [getattr(read, f"{split}_{part}") for split in ("train", "test") for part in ("images", "labels")]


def test_its_file_holds_what_its_function_returns(monkeypatch):
    """Seen of scikit-learn 1.9.1; where another one lays its file elsewhere, the function is asked."""
    read = parts(data.load("digits"))
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    digits._rows.cache_clear()
    asked = parts(digits.read_digits("", Limits()))
    assert all(map(np.array_equal, read, asked)), metadata.version("scikit-learn")
    assert (len(read[0]) + len(read[2]), read[0].max(), read[0].dtype) == (1797, 255, np.uint8)


def test_they_lie_as_they_lay_when_kept_rows_were_measured():
    """Torch convolves what looks as if channels stood last by other kernels, which round otherwise: one seed, another network."""
    inputs = Task.from_dataset(data.load("digits")).train_inputs
    assert inputs.stride() == (64, 1, 8, 1)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_scikit_learn_is_not_imported_for_them(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    digits._rows.cache_clear()
    digits.read_digits("", Limits())
    assert "sklearn" not in sys.modules
    digits._rows.cache_clear()
    monkeypatch.setattr(digits, "_FILE", digits._FILE / "nowhere")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError):
        digits.read_digits("", Limits())
