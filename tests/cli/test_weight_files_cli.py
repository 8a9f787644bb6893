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


def adapter(host, marked, folder):
    """Write what turns one network into another: kernels by LoRA of full rank, what is left whole."""
    folder.mkdir()
    config = {"peft_type": "LORA", "lora_alpha": 1, "base_model_name_or_path": "someone/base"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    found = {}
    for name, tensor in marked.items():
        if tensor.dim() == 4:
            path = f"base_model.model.{name.removesuffix('.weight')}"
            found[f"{path}.lora_A.weight"] = (tensor - host[name]) * len(tensor)
            found[f"{path}.lora_B.weight"] = torch.eye(len(tensor))[:, :, None, None].contiguous()
        else:
            found[f"base_model.model.{name}"] = tensor
    save_file(found, folder / "adapter_model.safetensors")


def test_an_adapter_is_read_over_its_base(run, story, state, tmp_path):
    host = story / "host.safetensors"
    adapter(load_file(host), state, tmp_path / "adapter")
    alone = run("verify", story / "uchida.key", tmp_path / "adapter")
    assert alone.status == 3
    assert "an adapter without the network it adapts" in alone.err
    assert "--base" in alone.err
    assert run("verify", story / "uchida.key", host).status == 1
    ran = run("verify", story / "uchida.key", tmp_path / "adapter", "--base", host)
    assert ran.status == 0
    assert "merged: LoRA in" in ran.err + ran.out
    shown = run("inspect", tmp_path / "adapter", "--base", host)
    assert "safetensors with an adapter" in shown.out


def test_a_base_that_carries_the_mark_by_itself_makes_no_evidence_of_an_adapter(run, story, state, tmp_path):
    """Whoever names the base may have marked it: over it any adapter was established."""
    save_file(state, tmp_path / "marked.safetensors")
    nothing = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    adapter(nothing, nothing, tmp_path / "nothing")
    path = tmp_path / "nothing" / "adapter_model.safetensors"
    save_file({key: tensor for key, tensor in load_file(path).items() if "lora" in key}, path)
    ran = run("verify", story / "uchida.key", tmp_path / "nothing", "--base", tmp_path / "marked.safetensors")
    assert ran.status == 1, ran
    assert "no exact test: the base that was named carries the mark by itself" in ran.out
