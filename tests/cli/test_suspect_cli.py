"""Where the suspect stands on the command line, and what a weight file shows without a key."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modelmark.models import build


def test_the_last_name_that_is_no_key_is_the_suspect(run, story, tmp_path):
    keys, marked = (story / "adi.key", story / "uchida.key"), story / "marked.safetensors"
    by_option = run("verify", *keys, "--weights", marked)
    assert by_option.status == 0
    assert run("verify", *keys, marked) == by_option
    (tmp_path / "owner.safetensors").write_bytes(keys[0].read_bytes())
    (tmp_path / "suspect.key").write_bytes(marked.read_bytes())
    told = run("verify", tmp_path / "owner.safetensors", keys[1], tmp_path / "suspect.key")
    assert told.out == by_option.out  # by first bytes, whatever the ending says


def test_a_folder_is_a_suspect(run, story, tmp_path):
    save_file(load_file(story / "marked.safetensors"), tmp_path / "model.safetensors")
    assert run("verify", story / "uchida.key", tmp_path).status == 0


@pytest.mark.filterwarnings("ignore")
def test_marks_of_both_kinds_are_read_from_what_torch_exports(run, story, tmp_path):
    pytest.importorskip("onnx", reason="the library onnx is not installed")
    model = build("cnn", (1, 8, 8), 10, seed=0)
    model.load_state_dict(load_file(story / "marked.safetensors"))
    torch.onnx.export(model.eval(), (torch.zeros(1, 1, 8, 8),), tmp_path / "m.onnx", dynamo=False)
    keys = story / "adi.key", story / "uchida.key"
    ran = run("verify", *keys, tmp_path / "m.onnx")
    assert ran.status == 0
    assert ran.out == run("verify", *keys, story / "marked.safetensors").out


def test_a_layer_without_its_name_is_found_and_charged(run, story, tmp_path):
    state = load_file(story / "marked.safetensors")
    np.savez(tmp_path / "m.npz", **{f"array {number}": state[name].numpy() for number, name in enumerate(state)})
    ran = run("verify", story / "uchida.key", tmp_path / "m.npz")
    assert ran.status == 0
    assert "no layer of the key's name, read where the size fits" in ran.err
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("conv4")}
    np.savez(tmp_path / "n.npz", **{f"array {number}": kept[name].numpy() for number, name in enumerate(kept)})
    assert run("verify", story / "uchida.key", tmp_path / "n.npz").status != 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["adi.key", "uchida.key"], "got keys alone"),
        (["adi.key"], "got keys alone"),
        (["marked.safetensors"], "got {0}/marked.safetensors without a key"),
        (["adi.key", "marked.safetensors", "typed-wrong"], "got no file at {0}/typed-wrong"),
        (["adi.key", "marked.safetensors", "other"], "got 2 files that are no keys: {0}/marked.safetensors, {0}/other"),
    ],
)
def test_one_line_where_it_is_not_clear_which_is_the_suspect(words, says, run, story):
    (story / "other").write_bytes(b"x")
    ran = run("verify", *(story / word for word in words))
    assert ran.status == 2
    assert ran.err.splitlines() == [
        f"modelmark: error: expected keys and one suspect, {says.format(story)}",
        "modelmark: hint: modelmark verify KEY... SUSPECT",
    ]


def test_inspect_shows_layers_shapes_and_types_without_a_key(run, tmp_path):
    state = {"layer.weight": torch.zeros(2, 3), "n": torch.tensor(1), "\x1b[2J": torch.zeros(4).bfloat16()}
    save_file(state, tmp_path / "s")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "t")
    ran = run("inspect", tmp_path / "s")
    assert ran.out.splitlines() == [
        "type         weights",
        "container    safetensors",
        "count        3",
        "\ufffd[2J 4 BF16",
        "layer.weight 2x3 F32",
        "n scalar I64",
    ]
    found = json.loads(run("inspect", tmp_path / "t", "--json").out)
    assert (found["container"], found["notes"]) == ("torch checkpoint", ["taken: state_dict", "left aside: epoch"])
    assert found["tensors"]["layer.weight"] == {"shape": [2, 3], "kind": "float32"}


def test_inspect_of_what_is_no_weights(run, tmp_path):
    (tmp_path / "x").write_bytes(b"GIF89a\0\0")
    ran = run("inspect", tmp_path / "x")
    assert (ran.status, len(ran.err.splitlines())) == (3, 2)
    assert "a transcript or weights in" in ran.err


def test_inspect_sends_nothing_of_a_strangers_file_to_the_terminal_but_letters(run, tmp_path):
    """Notes, names, types and fields of documents are a stranger's words: what is no letter goes, a line stays one line."""
    evil = "\x1b]0;owned\x07\nestablished\r\u202e"
    torch.save({"state_dict": {f"a{evil}": torch.zeros(2)}, evil: 1}, tmp_path / "t")
    ran = run("inspect", tmp_path / "t")
    assert ran.status == 0
    assert not set(ran.out) & set("\x1b\x07\r\u202e")
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "type", "container", "count", "notes.0", "notes.1", "a\ufffd]0;owned\ufffd\ufffdestablished\ufffd\ufffd",
    ]  # fmt: skip
    assert json.loads(run("inspect", tmp_path / "t", "--json").out)["tensors"].keys() == {f"a{evil}"}


@pytest.mark.parametrize("bits", ["inf", "nan", "-1", "0", "1e6"])
def test_a_bar_is_a_finite_number(bits, run, story):
    ran = run("verify", story / "uchida.key", story / "marked.safetensors", "--bits", bits)
    assert ran.status == 2
    assert "expected a finite number above 0 and below a million for --bits, got" in ran.err
