"""``modelmark lineage`` as it is typed."""

import json

import pytest
import torch
from safetensors.torch import save_file

from modelmark.models import build


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("mine", 0), ("other", 1)):
        save_file(build("mlp", (1, 8, 8), 10, seed=seed).state_dict(), f"{name}.safetensors")
    state = build("mlp", (1, 8, 8), 10, seed=0).state_dict()
    save_file({name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in state.items()}, "copy.safetensors")
    return tmp_path


def test_a_copy_a_stranger_and_what_is_shown_beside(files, run):
    code = ("--arch", "mlp", "--data", "digits")
    found = run("lineage", "mine.safetensors", "copy.safetensors", *code, "--unrelated", "other.safetensors")
    assert found.status == 0, found.err
    assert "bits: one origin" in found.out
    assert "beside, trained apart as you say: other.safetensors: " in found.out
    assert "or both from a third" in found.err
    stranger = run("lineage", "mine.safetensors", "other.safetensors", *code)
    assert stranger.status == 1
    assert "nothing is said by that" in stranger.err
    machine = json.loads(run("lineage", "mine.safetensors", "copy.safetensors", *code, "--json").out)
    assert machine["related"]
    assert machine["matches"] == sum(order["matches"] for order in machine["orders"])


def test_hidden_layers_may_be_named_and_half_an_architecture_is_refused(files, run):
    layer = next(name for name in build("mlp", (1, 8, 8), 10, seed=0).state_dict() if name.endswith(".weight"))
    assert run("lineage", "mine.safetensors", "copy.safetensors", "--hidden", layer).status == 0
    unnamed = run("lineage", "mine.safetensors", "copy.safetensors")
    assert unnamed.status != 0
    assert "--hidden LAYER" in unnamed.err
    half = run("lineage", "mine.safetensors", "copy.safetensors", "--arch", "mlp")
    assert half.status != 0
    assert "expected --arch with --data" in half.err
