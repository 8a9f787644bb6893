"""Kernels of MLX are read as torch lays them out; the file is its own, see ``from_mlx/make.py``."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from modelmark.suspects.base import Read
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

FILE = Path(__file__).with_name("from_mlx") / "model.safetensors"
TRUTH = dict(np.load(FILE.with_name("truth.npz")))


def test_kernels_stand_as_torch_has_them():
    file = open_weights(FILE)
    assert (file.what, file.names) == ("safetensors of MLX", sorted(TRUTH))
    assert file.shapes["conv.weight"] == (6, 4, 3, 5) != file.stored["conv.weight"]
    for name, value in TRUTH.items():
        assert file.shapes[name] == value.shape
        assert np.array_equal(file.tensor(name), value)


@pytest.mark.parametrize("name", ["conv", "up"])
def test_rows_are_filters_in_whatever_axis_torch_counts_them(name):
    expected = TRUTH[f"{name}.weight"].reshape(6, -1)
    for layout in ((0, 0), (0, 1)):
        (found,) = State(open_weights(FILE)).observe(Read(Place(name, expected.shape[1], layout=layout)))
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(("metadata", "is_mlx"), [({"format": "mlx"}, True), ({"format": "pt"}, False), (None, False)])
def test_what_the_file_says_of_itself_decides(metadata, is_mlx, tmp_path):
    save_file(load_file(FILE) | {"mlp.experts.weight": np.ones((2, 3, 4), np.float32)}, tmp_path / "w", metadata)
    file = open_weights(tmp_path / "w")
    assert np.array_equal(file.tensor("conv.weight").shape, TRUTH["conv.weight"].shape) == is_mlx
    assert file.shapes["mlp.experts.weight"] == (2, 3, 4)
