"""``spread`` from the command line: a key for a file alone, a mark into a copy of it, evidence; what is refused."""

import hashlib
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from spreading import HIDDEN, refused, state

import attending
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.marks import onfiles
from modelmark.suspects import files, weights
from modelmark.suspects.files import copying


@pytest.fixture
def plain(tmp_path):
    save_file(state(), tmp_path / "plain.safetensors", metadata={"format": "pt", "note": "kept"})
    return tmp_path / "plain.safetensors"


@pytest.fixture
def key(plain, run, tmp_path):
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", tmp_path / "s.key").status == 0
    return tmp_path / "s.key"


def test_a_file_is_marked_and_read_without_data_and_code(key, plain, run, tmp_path):
    out, digest = tmp_path / "marked.safetensors", hashlib.sha256(plain.read_bytes()).hexdigest()
    ran = run("embed", key, "--weights", plain, "-o", out)
    assert ran.status == 0, ran
    assert "spread 1024/1024" in ran.err
    assert hashlib.sha256(plain.read_bytes()).hexdigest() == digest
    found = run("verify", key, "--weights", out)
    assert (found.status, found.out.startswith("spread: 1024/1024 expected bits")) == (0, True)
    beside = json.loads(run("verify", key, "--weights", out, "--align-to", plain, "--json").out)
    assert [charge["reason"] for charge in beside["charges"]] == ["offline draw", "9 readings tried"]
    assert beside["matches"] == 1024
    assert run("verify", key, "--weights", plain).status == 1


def test_all_but_the_marked_weights_is_copied_byte_for_byte(key, plain, run, tmp_path):
    out = tmp_path / "marked.safetensors"
    assert run("embed", key, "--weights", plain, "-o", out).status == 0
    before, after = load_file(plain), load_file(out)
    for name, tensor in before.items():
        same = torch.equal(tensor, after[name])
        assert same != ("layers" in name), name
        assert after[name].dtype == tensor.dtype
    length = 8 + int.from_bytes(plain.read_bytes()[:8], "little")
    assert plain.read_bytes()[:length] == out.read_bytes()[:length]
    assert plain.stat().st_size == out.stat().st_size
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_file_gets_the_numbers_that_its_network_would(kind, tmp_path, secret):
    """The push is some hundredths of a deviation; of its expected sum in each type as much arrives as is written."""
    given = {name: tensor.to(kind) if "layers" in name else tensor for name, tensor in state(torch.float32).items()}
    save_file(given, tmp_path / "plain.safetensors")
    file = files.open_weights(tmp_path / "plain.safetensors")
    mark = onfiles.keygen_for_file(onfiles.Spread(), file, secret=secret).mark()
    (reached,) = onfiles.imprint_file(tmp_path / "plain.safetensors", tmp_path / "out.safetensors", [mark])
    assert (reached.matches, reached.done) == (1024, True)
    after, strength, along = load_file(tmp_path / "out.safetensors"), mark.key.scheme.strength, []
    for run in mark.key.carriers.runs:
        ours, theirs = (held[f"{run.layer}.weight"].double() for held in (given, after))
        where, sign = (
            np.concatenate(part) for part in zip(*(run.assigned(block, 1024) for block in run.blocks()), strict=True)
        )
        moved = ((theirs - ours) / ours.std(correction=0)).flatten().numpy()
        along.append(moved * sign * (2 * mark.message - 1)[where])
        assert theirs.dtype == torch.float64
    mean = np.concatenate(along).mean()
    assert strength < mean < 1.1 * strength


def test_a_folder_of_shards_becomes_a_folder_of_shards(run, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    held = state()
    names = sorted(held)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for part, members in parts.items():
        save_file({name: held[name] for name in members}, source / part)
    where = {name: part for part, members in parts.items() for name in members}
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (source / "config.json").write_text("{}")
    assert run("keygen", "spread", "--weights", source, "--unencrypted", "-o", tmp_path / "s.key").status == 0
    ran = run("embed", tmp_path / "s.key", "--weights", source, "-o", tmp_path / "out")
    assert ran.status == 0, ran
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in source.iterdir())
    assert (tmp_path / "out" / "config.json").read_bytes() == b"{}"
    assert run("verify", tmp_path / "s.key", "--weights", tmp_path / "out", "--align-to", source).status == 0
    (source / "model-00002-of-00002.safetensors").unlink()
    refused(run("embed", tmp_path / "s.key", "--weights", source, "-o", tmp_path / "other"), 3, "model-00002-of-00002")
    assert not (tmp_path / "other").exists()


def test_no_space_left_leaves_nothing_behind(key, plain, run, tmp_path, monkeypatch):
    def full(source, new):
        new.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    before = sorted(tmp_path.iterdir())
    refused(run("embed", key, "--weights", plain, "-o", tmp_path / "out.safetensors"), 2, "No space left on device")
    assert sorted(tmp_path.iterdir()) == before


def test_weights_that_cannot_be_marked_are_refused(key, plain, run, tmp_path):
    def written(name, held):
        save_file(held, tmp_path / name)
        return tmp_path / name

    broken = state()
    broken["model.layers.1.k.weight"][3, 4] = float("nan")
    other = state() | {"model.layers.1.k.weight": torch.zeros(HIDDEN, 7)}
    whole = {name: tensor.to(torch.int8) for name, tensor in state(torch.float32).items()}
    tiny = {"model.layers.0.q.weight": torch.randn(8, 8)}
    out = ("-o", tmp_path / "out.safetensors")
    before = None
    for words, status, says in (
        (["embed", key, "--weights", written("nan.safetensors", broken), *out], 3, "NaN or infinity"),
        (["embed", key, "--weights", written("other.safetensors", other), *out], 3, "160 filters of 160 weights"),
        (["embed", key, "--weights", written("int.safetensors", whole), *out], 3, "another type"),
        (["embed", key, "--weights", tmp_path / "none.safetensors", *out], 3, "found none"),
        (["embed", key, key, "--weights", plain, *out], 2, "the same one twice"),
        (["embed", key, "--weights", plain, "-o", plain], 2, "expected a new file"),
        (["embed", key, "--weights", plain, "--data", "digits", *out], 3, "the key's inputs of shape"),
    ):
        before = before or sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".key")
        refused(run(*words), status, says)
        assert not (tmp_path / "out.safetensors").exists()
    made = ("--unencrypted", "-o", tmp_path / "no.key")
    for words, status, says in (
        (
            ["keygen", "spread", "--weights", tmp_path / "int.safetensors", *made],
            2,
            "expected weights of layers before the head",
        ),
        (["keygen", "spread", "--weights", written("tiny.safetensors", tiny), *made], 2, "symbols of alphabet 2"),
        (["keygen", "spread", "--weights", plain, "--data", "digits", *made], 2, "without --data"),
        (["keygen", "uchida", "--weights", plain, *made], 2, "expected --weights with spread"),
        (["keygen", "spread", *made], 2, "expected data, got none"),
        (["verify", key, "--weights", tmp_path / "tiny.safetensors"], 3, "this model has none of them"),
        (["verify", key, "--weights", plain, "--align-to", tmp_path / "nan.safetensors"], 3, "the unmarked host"),
    ):
        refused(run(*words), status, says)
    torch.save(state(), tmp_path / "plain.pt")
    refused(
        run("embed", key, "--weights", tmp_path / "plain.pt", *out), 2, "expected safetensors to mark without training"
    )


def test_with_data_the_accuracy_is_shown(unmarked, run, tmp_path):
    weights.save(unmarked, tmp_path / "plain.safetensors")
    net = ("--data", "digits", "--arch", "cnn", "--unencrypted")
    assert run("keygen", "spread", *net, "--host", tmp_path / "plain.safetensors", "-o", tmp_path / "s.key").status == 0
    out = tmp_path / "marked.safetensors"
    ran = run("embed", tmp_path / "s.key", "--weights", tmp_path / "plain.safetensors", "--data", "digits", "-o", out)
    assert ran.status == 0, ran
    assert "spread 1024/1024" in ran.err
    assert "test accuracy 9" in ran.err
    found = run("verify", tmp_path / "s.key", "--weights", out, "--align-to", tmp_path / "plain.safetensors", "--json")
    assert json.loads(found.out)["matches"] == 1024
    torch.save({"model": unmarked.state_dict(), "epoch": 3}, tmp_path / "trainer.pt")
    words = ("embed", tmp_path / "s.key", "--weights", tmp_path / "trainer.pt", "-o", tmp_path / "again.safetensors")
    ran = run(*words)
    assert ran.status == 0, ran
    assert "warning" not in ran.err  # the host, in another container
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()


def test_asked_to_train_it_trains_and_marks_the_result(unmarked, run, tmp_path):
    weights.save(unmarked, tmp_path / "plain.safetensors")
    net = ("--data", "digits", "--arch", "cnn", "--unencrypted")
    assert run("keygen", "spread", *net, "-o", tmp_path / "s.key").status == 0
    ran = run(
        "embed", tmp_path / "s.key", "--weights", tmp_path / "plain.safetensors", "--epochs", 1, "-o", tmp_path / "on"
    )
    assert ran.status == 0, ran
    assert "1 epochs" in ran.err or "1 epoch" in ran.err
    assert "spread 1024/1024" in ran.err
    assert "% before" in ran.err


def test_keygen_says_which_layers_are_marked(plain, run, tmp_path):
    made = ("--unencrypted", "-o")
    ran = run("keygen", "spread", "--weights", plain, *made, tmp_path / "a.key")
    assert ran.err.splitlines()[-1] == "modelmark: 9 layers to mark, model.layers.0.k to model.layers.2.q"
    save_file({"0.weight": torch.randn(200, 200), "2.weight": torch.randn(10, 200)}, tmp_path / "sequential")
    ran = run("keygen", "spread", "--weights", tmp_path / "sequential", *made, tmp_path / "b.key")
    assert ran.err.splitlines()[-1] == "modelmark: 2 layers to mark, 0 to 2"  # the head, which no name gives away


@pytest.mark.parametrize("bad", ["nan", "zeros"])
def test_a_host_that_cannot_be_marked_is_refused_at_keygen(bad, run, tmp_path):
    """The old rule made the key, and embed refused."""
    held = {name: torch.zeros_like(tensor) if bad == "zeros" else tensor for name, tensor in state().items()}
    if bad == "nan":
        held["model.layers.1.k.weight"][3, 4] = torch.nan
    save_file(held, tmp_path / "bad")
    ran = run("keygen", "spread", "--weights", tmp_path / "bad", "--unencrypted", "-o", tmp_path / "b.key")
    refused(ran, 3, "got NaN or infinity" if bad == "nan" else "got one number everywhere")
    assert not (tmp_path / "b.key").exists()


@pytest.mark.parametrize("held", [{}, {"a.weight": torch.zeros(0, 160)}], ids=["no tensors", "none of any size"])
def test_a_file_without_numbers_is_said_to_hold_no_weights(held, key, run, tmp_path):
    """The old rule advised --align-to, which reads no more of such a file."""
    save_file(held, tmp_path / "empty")
    ran = run("verify", key, tmp_path / "empty")
    refused(ran, 3, "expected weights in empty, got a file that holds none")
    assert "--align-to" not in ran.err


def retyped(path, kind, name="model.layers.1.k.weight"):
    """Write a file whose one layer says another type, with bytes of 0xFF; the library that reads it knows the type."""
    bits = {"F4": 4, "C64": 64, "F8_E4M3": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F32": 32}[kind]
    header, body = {}, b""
    for each, tensor in state(torch.float32).items():
        if each.startswith("model.layers"):
            own = kind if each == name else "F32"
            data = b"\xff\xff\xbf\x7f" * tensor.numel() if kind == "F32" else b"\xff" * (tensor.numel() * bits // 8)
            data = data if each == name else tensor.numpy().tobytes()
            header[each] = {
                "dtype": own,
                "shape": list(tensor.shape),
                "data_offsets": [len(body), len(body) + len(data)],
            }
            body += data
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)
    return path


@pytest.mark.parametrize("kind", ["F4", "C64", "F6_E2M3"])
@pytest.mark.filterwarnings("error")
def test_a_layer_of_no_real_numbers_is_refused_in_one_line(kind, key, run, tmp_path):
    ran = run("verify", key, retyped(tmp_path / "s.safetensors", kind))
    known = kind == "C64" or (kind == "F4" and hasattr(torch, "float4_e2m1fn_x2"))
    refused(ran, 3, "expected weights that are real numbers, got some" if known else "of a type that torch has")


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E8M0", "F32"])
@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none_are_left_out_without_a_warning(kind, key, run, tmp_path):
    if kind == "F8_E8M0" and not hasattr(torch, "float8_e8m0fnu"):
        pytest.skip("this torch has no such type")
    ran = run("verify", key, retyped(tmp_path / "s.safetensors", kind))
    assert (ran.status, ran.err) == (1, "")


def test_weights_that_are_not_the_keys_host_are_marked_with_a_warning(key, plain, run, tmp_path):
    once = run("embed", key, "--weights", plain, "-o", tmp_path / "once")
    assert (once.status, "warning" in once.err) == (0, False)
    twice = run("embed", key, "--weights", tmp_path / "once", "-o", tmp_path / "twice")
    assert twice.status == 0
    assert "warning: this is not the host that the key committed to" in twice.err


def test_embed_stopped_by_a_signal_leaves_nothing(key, plain, run, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(copying, "_named", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    refused(run("embed", key, "--weights", plain, "-o", tmp_path / "out"), 130, "interrupted")
    assert sorted(tmp_path.iterdir()) == before


def test_a_transformer_in_another_basis_is_read_against_the_hosts_file_without_its_code(run, tmp_path):
    """Every matrix of the suspect is another one; by names alone the reading was chance."""
    host = attending.reading(width=96)
    save_file(host.state_dict(), tmp_path / "host.safetensors")
    assert (
        run(
            "keygen", "spread", "--weights", tmp_path / "host.safetensors", "--unencrypted", "-o", tmp_path / "t.key"
        ).status
        == 0
    )
    marked = tmp_path / "marked.safetensors"
    assert run("embed", tmp_path / "t.key", "--weights", tmp_path / "host.safetensors", "-o", marked).status == 0
    host.load_state_dict(load_file(marked))
    for attack in (TurnHeads(), Permute(), RotateStream()):
        host = attack(host, None, seed=1)
    save_file(host.state_dict(), tmp_path / "suspect.safetensors")
    suspect = ("verify", tmp_path / "t.key", "--weights", tmp_path / "suspect.safetensors")
    assert run(*suspect).status != 0
    ran = run(*suspect, "--align-to", tmp_path / "host.safetensors")
    assert ran.status == 0, ran
    assert "heads, hidden units and stream of the transformer put into the host's coordinates" in ran.err
