"""Checkpoints of Orbax as it writes them: the folders are its own, see ``from_orbax/make.py``."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from modelmark.errors import MalformedError, MissingPackageError
from modelmark.suspects.base import Read
from modelmark.suspects.files import open_weights, orbax
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

HERE = Path(__file__).with_name("from_orbax")
TRUTH = dict(np.load(HERE / "truth.npz"))


@pytest.fixture
def _tensorstore():
    pytest.importorskip("tensorstore", reason="the library tensorstore is not installed")


@pytest.mark.usefixtures("_tensorstore")
@pytest.mark.parametrize("name", ["ocdbt", "zarr3", "plain"])
def test_kernels_are_turned_to_filters(name):
    file = open_weights(HERE / name)
    assert file.shapes == {"params/conv/bias": (8,), "params/conv/kernel": (8, 4, 3, 3), "params/dense/kernel": (6, 8)}
    assert file.types["params/dense/kernel"] == "bfloat16"
    assert file.notes == ("left aside: opt_state",)
    for layer, expected in TRUTH.items():
        assert np.array_equal(file.tensor(f"params/{layer}/kernel").astype(np.float32), expected)


@pytest.mark.usefixtures("_tensorstore")
def test_the_one_step_of_a_manager_with_a_state_of_nnx():
    file = open_weights(HERE / "manager")
    assert file.names == ["conv/kernel"]
    (rows,) = State(file).observe(Read(Place("conv", 36)))
    assert np.array_equal(rows, TRUTH["conv"].reshape(8, 36))


def test_without_the_library_the_way_on_is_said(monkeypatch):
    monkeypatch.setattr(orbax.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="tensorstore") as caught:
        open_weights(HERE / "ocdbt")
    assert "modelmark[orbax]" in caught.value.hint


def test_several_steps_are_not_guessed(tmp_path):
    for step in ("7", "8"):
        shutil.copytree(HERE / "manager" / "7", tmp_path / step)
    with pytest.raises(MalformedError, match="several: 7, 8"):
        open_weights(tmp_path)


def outcome(folder, part=""):
    """Return what is said of a store, of which the tensors are read that have ``part`` in their names, each in a process."""
    said = ""
    try:
        file = open_weights(folder)
        for name in file.names:
            if part in name:
                file.tensor(name)
    except MalformedError as error:
        said = str(error)
    assert not said or said.startswith("expected ")
    assert len(said) < 500
    return said


@pytest.mark.usefixtures("_tensorstore")
def test_a_block_that_is_not_there_is_no_block_of_zeros(tmp_path):
    shutil.copytree(HERE / "plain", tmp_path / "c")
    (tmp_path / "c" / "params.conv.kernel" / "0.0.0.0").unlink()
    assert "got a damaged one" in outcome(tmp_path / "c")


@pytest.mark.usefixtures("_tensorstore")
@pytest.mark.parametrize(
    "words",
    [
        {"shape": [2**40, 2**20, 4, 8]}, {"shape": [-1, 3, 4, 8]}, {"shape": "many"}, {"shape": [3, 3, 4, 9]},
        {"chunks": [2**14, 2**14, 2**14, 8]}, {"dtype": "|O"}, {"dtype": "<f8"},
        pytest.param({"compressor": {"id": "none"}}, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_description_that_lies(words, tmp_path):
    shutil.copytree(HERE / "plain", tmp_path / "c")
    path = tmp_path / "c" / "params.conv.kernel" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | words))
    said = outcome(tmp_path / "c", "conv/kernel")
    assert said or words["dtype"] == "|O"
    if not said:
        assert "of type" in open_weights(tmp_path / "c").unreadable["params/conv/kernel"]


@pytest.mark.usefixtures("_tensorstore")
def test_a_store_that_was_cut_or_changed(tmp_path):
    paths = [path for path in (HERE / "ocdbt").rglob("*") if path.parent.name == "d" or path.name == "manifest.ocdbt"]
    for number, path in enumerate(paths[:2]):
        raw = np.frombuffer(path.read_bytes(), np.uint8).copy()
        rng = np.random.default_rng(number)
        raw[rng.choice(len(raw), max(1, len(raw) // 4), replace=False)] = rng.integers(0, 256)
        folder = tmp_path / str(number)
        shutil.copytree(HERE / "ocdbt", folder)
        (folder / path.relative_to(HERE / "ocdbt")).write_bytes(raw[: None if number % 2 else len(raw) // 2].tobytes())
        outcome(folder)
    shutil.copytree(HERE / "ocdbt", tmp_path / "c")
    (tmp_path / "c" / "manifest.ocdbt").write_bytes(b"")
    assert "got a damaged one" in outcome(tmp_path / "c")
