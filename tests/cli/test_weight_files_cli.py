"""Marks are read from what is around a state dict in practice; what was undone is said, what cannot be read is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from modelmark.models import build


@pytest.fixture
def state(story):
    return load_file(story / "marked.safetensors")


def wrapped(prefix):
    return lambda state, path: save_file({prefix + name: tensor for name, tensor in state.items()}, path)


def nested(state, path):
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, path)


def sharded(state, path):
    path.mkdir()
    places = {name: f"model-{1 + number % 2:05}-of-00002.safetensors" for number, name in enumerate(state)}
    for shard in set(places.values()):
        save_file({name: state[name] for name in state if places[name] == shard}, path / shard)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def quantised(state, path):
    model = build("cnn", (1, 8, 8), 10, seed=0)
    model.load_state_dict(state)
    torch.save(torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8).state_dict(), path)


def factored(state, path):
    model = build("cnn", (1, 8, 8), 10, seed=0)
    model.load_state_dict(state)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.utils.parametrizations.weight_norm(layer)
    torch.save(model.state_dict(), path)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("write", "said"),
    [
        (wrapped("module."), "names without wrappers"),
        (wrapped("_orig_mod.module."), "names without wrappers"),
        (wrapped("net.backbone."), "names under 'net.backbone.'"),
        (nested, "taken: state_dict"),
        (sharded, ""),
        (quantised, "dequantised"),
        (factored, "undone: weight_norm"),
    ],
    ids=["module", "compile", "part", "checkpoint", "shards", "quantised", "weight_norm"],
)
def test_marks_are_read_through_what_is_around_the_weights(write, said, run, story, state, tmp_path):
    path = tmp_path / "w.bin"
    write(state, path)
    keys = [story / "adi.key", story / "uchida.key"]
    plain = run("verify", *keys, "--weights", story / "marked.safetensors")
    ran = run("verify", *keys, "--weights", path)
    assert ran.status == 0
    assert ran.out == plain.out or write is quantised  # whose numbers are others
    assert said in ran.err
    assert bool(ran.err) == bool(said)


def test_white_box_marks_are_read_beside_another_head(run, story, state, tmp_path):
    head = {name: tensor.new_zeros(7, *tensor.shape[1:]) for name, tensor in state.items() if name.startswith("head.")}
    save_file({**state, **head}, tmp_path / "w")
    verify = ["verify", story / "uchida.key", "--weights"]
    assert run(*verify, tmp_path / "w").out == run(*verify, story / "marked.safetensors").out


def test_what_is_no_weight_file_is_one_line_and_a_hint(run, story, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"\x08\0\0\0ET12")
    ran = run("verify", story / "adi.key", "--weights", tmp_path / "w.safetensors")
    assert ran.status == 3
    error, hint = ran.err.splitlines()
    assert error.endswith("got an ExecuTorch program")
    assert hint.startswith("modelmark: hint: give the state dict")


def test_names_in_files_do_not_reach_the_terminal_as_they_are(run, story, state, tmp_path):
    save_file({**state, "\x1b[2J\x07": torch.zeros(1)}, tmp_path / "w")
    ran = run("verify", story / "adi.key", "--weights", tmp_path / "w")
    assert ran.status == 0
    assert "left aside" in ran.err
    assert "\x1b" not in ran.err
