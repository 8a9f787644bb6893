"""TFLite as TensorFlow's converter writes it: the files beside are its own, see ``from_tensorflow/make.py``."""

from pathlib import Path

import numpy as np
import pytest

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

pytest.importorskip("tflite", reason="the library tflite is not installed")
HERE = Path(__file__).with_name("from_tensorflow")
ROWS = dict(np.load(HERE / "rows.npz"))


@pytest.mark.parametrize("name", ["float", "int8"])
def test_filters_are_rows_with_batch_norm_folded_and_integers_scaled(name):
    file = open_weights(HERE / f"{name}.tflite")
    state = State(file)
    assert file.what == "TFLite"
    for expected in ROWS.values():
        rows = expected.reshape(len(expected), -1)
        for layout in ((0, 0), (0, 1)):
            found = state.observe(Read(Place("elsewhere", rows.shape[1], layout=layout)))
            near = [
                one
                for one in found
                if one.shape == rows.shape and np.linalg.norm(one - rows) < 0.01 * np.linalg.norm(rows)
            ]
            assert len(near) == 1
    (kernel,) = (one for one in file.shapes if file.shapes[one] == (6, 4, 3, 3))
    assert file.stored[kernel] == (6, 3, 3, 4)
    assert file.types[kernel] == {"float": "float32", "int8": "int8"}[name]
    assert bool(file.notes) == (name == "int8")


def test_layers_stand_in_the_order_of_the_operators():
    file = open_weights(HERE / "float.tflite")
    filters = [file.shapes[name] for name in file.shapes if name in file.rows]
    assert filters == [(4, 2, 3, 3), (6, 4, 3, 3), (6, 1, 3, 3), (5, 6, 2, 2), (5, 5), (3, 5)]


def test_files_that_were_cut_or_changed(tmp_path):
    raw = np.frombuffer((HERE / "int8.tflite").read_bytes(), np.uint8)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        changed = raw.copy()
        count = len(raw) // 4 if seed % 2 else 3
        changed[rng.choice(len(raw), count, replace=False)] = rng.integers(0, 256, count)
        changed[:16] = raw[:16]
        (tmp_path / "w").write_bytes(changed[: len(raw) - 100 * (seed % 7)].tobytes())
        said = ""
        try:
            file = open_weights(tmp_path / "w")
            for name in file.names:
                file.tensor(name)
        except MalformedError as error:
            said = str(error)
        assert len(said.splitlines()) <= 1
        assert len(said) < 500
