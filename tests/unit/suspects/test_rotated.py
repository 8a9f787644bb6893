"""Rotated matrices are turned back; the files are compressed-tensors' own, see ``from_rotations/make.py``."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from modelmark.suspects.files import open_weights

HERE = Path(__file__).with_name("from_rotations")
TRUTH = dict(np.load(HERE / "truth.npz"))
KNOWN = [name for name in TRUTH if name != "lost_proj.weight"]


def with_config(folder, change):
    shutil.copy(HERE / "model.safetensors", folder)
    said = json.loads((HERE / "config.json").read_text())
    change(said["quantization_config"]["transform_config"]["config_groups"])
    (folder / "config.json").write_text(json.dumps(said))
    return open_weights(folder)


def test_what_the_configuration_says_is_undone():
    stored, file = load_file(HERE / "model.safetensors"), open_weights(HERE / "model.safetensors")
    assert file.names == sorted(stored.keys() - {"o_proj.v_input.weight"})
    for name in KNOWN:
        assert np.allclose(file.tensor(name), TRUTH[name], atol=1e-6)
        assert np.allclose(stored[name], TRUTH[name], atol=1e-1) == (name == "head.weight")
    assert np.array_equal(file.tensor("lost_proj.weight"), stored["lost_proj.weight"])
    assert file.notes == (
        "turned back: 4 layers, rotated before they were packed",
        "rotated, and not turned back: 1 layer, by 'random-hadamard'",
    )


CHANGES = {
    "another order": lambda groups: groups["R1"].update(randomize=True),
    "heads that share nothing": lambda groups: groups["R2"].update(head_dim=5),
    "a size that is none": lambda groups: groups["R2"].update(head_dim=-16),
    "an unknown matrix": lambda groups: groups["v"].update(type="learned"),
    "a matrix that is not there": lambda groups: groups.update(w=groups.pop("v")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_cannot_be_undone_stays_and_is_said(change, tmp_path):
    stored, file = load_file(HERE / "model.safetensors"), with_config(tmp_path, CHANGES[change])
    same = [name for name in KNOWN if np.array_equal(file.tensor(name), stored[name])]
    assert len(same) > 1  # the head was never rotated
    assert len([note for note in file.notes if note.startswith("rotated, and not turned back")]) >= 1


@pytest.mark.parametrize(
    "groups", [None, [], {"R1": 3}, {"R1": {"apply": [3, {"location": "weight_input", "targets": "Linear"}]}}]
)
def test_a_configuration_that_says_nothing_of_a_layer(groups, tmp_path):
    shutil.copy(HERE / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({"quantization_config": {"transform_config": {"config_groups": groups}}})
    )
    stored, file = load_file(HERE / "model.safetensors"), open_weights(tmp_path)
    assert all(np.array_equal(file.tensor(name), stored[name]) for name in TRUTH)
    assert file.notes == ()


def test_patterns_that_could_take_for_ever_are_of_no_layer(tmp_path):
    def change(groups):
        groups["R1"]["apply"][1]["targets"] = ["re:.*.*.*q_proj$", "re:(q)_proj", "re:q_proj["]

    stored, file = load_file(HERE / "model.safetensors"), with_config(tmp_path, change)
    assert np.array_equal(file.tensor("q_proj.weight"), stored["q_proj.weight"])
    assert np.allclose(file.tensor("v_proj.weight"), TRUTH["v_proj.weight"], atol=1e-6)
