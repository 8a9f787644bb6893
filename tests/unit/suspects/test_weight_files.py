"""Weight files are told by their first bytes, read one tensor at a time, and have one digest in every container."""

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import fitted, held, open_weights, weight_of


def torch_zip(state, path):
    torch.save(state, path)


def torch_legacy(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


CONTAINERS = {"safetensors": save_file, "zip": torch_zip, "legacy": torch_legacy}


@pytest.mark.parametrize("ending", ["safetensors", "pt", "ckpt", "bin", ""])
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_first_bytes_tell_the_kind_and_no_ending_does(container, ending, state, tmp_path):
    path = tmp_path / f"weights.{ending}"
    CONTAINERS[container](state, path)
    file = open_weights(path)
    assert file.what == ("safetensors" if container == "safetensors" else "torch checkpoint")
    assert file.shapes == {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert all(torch.equal(torching.tensor(file.tensor(name)), state[name]) for name in state)
    assert file.digest == weights.digest(state)
    assert (file.notes, file.unreadable, file.aliases) == ((), {}, {})


def test_the_digest_is_that_of_the_first_release():
    state = {"b.weight": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(True), "c": torch.zeros(0, 4)}
    assert weights.digest(state) == "02d8ae4744803b950925887602f74a93dccfb2ffb6035aa846853ed2c81eeab0"


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_digest_in_pieces_is_the_digest(container, tmp_path, monkeypatch):
    state = {
        "a": torch.randn(5, 7), "b": torch.randn(3, 4, 2, 2).to(memory_format=torch.channels_last), "c": torch.tensor(2),
        "d": torch.randn(9, dtype=torch.complex64), "e": torch.zeros(0, 3), "f": torch.randn(50).bfloat16(),
    }  # fmt: skip
    if container == "safetensors":
        state["b"] = state["b"].contiguous()
    CONTAINERS[container](state, tmp_path / "w")
    whole = weights.digest(state)
    monkeypatch.setattr("modelmark.suspects.files.base._PIECE", 16)
    monkeypatch.setattr("modelmark.suspects.files.base._MAPPED", 40)
    assert open_weights(tmp_path / "w").digest == whole


def test_what_is_changed_in_memory_changes_no_file(state, tmp_path):
    for container, write in CONTAINERS.items():
        path = tmp_path / container
        write(state, path)
        open_weights(path).tensor("0.weight").fill(0)
        assert torch.equal(torching.tensor(open_weights(path).tensor("0.weight")), state["0.weight"])


PEAK = """
import resource, sys, torch
from modelmark.suspects.files import open_weights
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = peak()
files = [open_weights(path) for path in sys.argv[1:]]
assert all(file.tensor("small").sum() == 64 for file in files)
one = peak() - start
assert len({file.digest for file in files}) == 1
print(one, peak() - start)
"""


def test_one_tensor_is_read_alone_and_a_digest_needs_little_memory(tmp_path):
    state = {"large": torch.zeros(2**25), "small": torch.ones(64)}  # 128 MB
    paths = [tmp_path / "safetensors", tmp_path / "zip"]
    for path in paths:
        CONTAINERS[path.name](state, path)
    words = [sys.executable, "-c", PEAK, *paths]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    one, whole = map(float, ran.stdout.split())
    assert one < 32, "megabytes for two tensors of 256 bytes"
    assert whole < 80, "megabytes for two digests of 128"


def test_names_that_share_a_tensor_are_read_by_either(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

    model = Tied()
    save_model(model, tmp_path / "w")
    file = open_weights(tmp_path / "w")
    fit = fitted(file, {"a.weight": (3, 3), "b.weight": (3, 3)})
    assert file.names == ["a.weight"]
    assert (fit.missing, fit.left_aside) == ((), ())
    assert torch.equal(torching.tensor(fit.state["b.weight"]), model.a.weight)


def test_complex_tensors_are_tensors(tmp_path):
    state = {"w": torch.randn(2, 2, dtype=torch.complex64)}
    for container, write in CONTAINERS.items():
        write(state, tmp_path / container)
        assert torch.equal(torching.tensor(open_weights(tmp_path / container).tensor("w")), state["w"])


def test_a_name_that_is_not_there(state):
    with pytest.raises(MismatchError, match="expected a tensor nowhere in state dict, found none"):
        held(state).tensor("nowhere")


# What a file is instead


def archive(names):
    def write(path):
        with zipfile.ZipFile(path, "w") as target:
            for name in names:
                target.writestr(name, b"x")

    return write


OTHERS = {
    "an empty file": (b"", ""),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "a model in ONNX Runtime's own format": (b"\x14\0\0\0ORTM\x0c\0\x10\0", "the ONNX file"),
    "a gzip file": (b"\x1f\x8b\x08\0", "gunzip"),
    "a tar archive": (bytes(257) + b"ustar\0", "tar -xf"),
    "a Python pickle": (b"\x80\x04\x95\0", "runs code"),
    "a web page": (b"\n<!DOCTYPE html><html>", "fetch the file itself"),
    "JSON": (b'{"a": 1}', "index of its shards"),
    "text": (b"hello there\n", "lists the formats that are read"),
    "a file that begins with 00 01 02 03": (bytes(range(100)), "are read"),
    "a zip archive": (archive(["readme.txt"]), "unpack it"),
    "an archive of torch.export before version 2.8": (archive(["serialized_state_dict.pt"]), "torch.export.load(FILE)"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_weight_file_is_named_with_the_way_on(what, tmp_path):
    given, way_on = OTHERS[what]
    path = tmp_path / "weights.safetensors"
    path.write_bytes(given) if isinstance(given, bytes) else given(path)
    with pytest.raises(MalformedError, match=what) as caught:
        open_weights(path)
    assert way_on in caught.value.hint


def test_a_file_that_was_cut_off_says_so(state, tmp_path):
    for container, size in (("safetensors", 300), ("safetensors", -1), ("zip", -100)):
        path = tmp_path / "w"
        CONTAINERS[container](state, path)
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(MalformedError) as caught:
            open_weights(path)
        assert "cut off" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "says", "way_on"),
    [
        (nn.Linear(2, 2), "a whole module", "state_dict()"),
        ({"model": {"w": torch.zeros(2)}, "lr": np.float64(0.1)}, "got numpy._core.multiarray.scalar beside them", "alone"),
        ({"w": torch.zeros(2), "path": object()}, "builtins.object|without running code", "alone"),
        (torch.zeros(3), "one tensor without a name", ""),
        ({"epoch": 3}, "got none", ""),
    ],
)  # fmt: skip
def test_what_torch_refuses_is_named_and_never_run(value, says, way_on, tmp_path):
    for write in (torch_zip, torch_legacy):
        write(value, tmp_path / "w")
        with pytest.raises(MalformedError, match=says) as caught:
            open_weights(tmp_path / "w")
        assert way_on in caught.value.hint


# Shards


def sharded(folder, parts, index="model.safetensors.index.json", write=save_file, ending="safetensors"):
    names = [f"model-{number + 1:05}-of-{len(parts):05}.{ending}" for number in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        write(part, folder / name)
    if index:
        places = {key: name for name, part in zip(names, parts, strict=True) for key in part}
        (folder / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return names


@pytest.fixture
def halves(state):
    names = list(state)
    return [{name: state[name] for name in names[:3]}, {name: state[name] for name in names[3:]}]


@pytest.mark.parametrize(
    ("index", "write", "ending", "what"),
    [
        ("model.safetensors.index.json", save_file, "safetensors", "2 shards of safetensors"),
        ("pytorch_model.bin.index.json", torch_zip, "bin", "2 shards of torch checkpoint"),
        ("other.index.json", save_file, "safetensors", "2 shards of safetensors"),
    ],
)
def test_shards_are_read_by_their_folder_or_index(index, write, ending, what, halves, state, tmp_path):
    sharded(tmp_path, halves, index, write, ending)
    for path in (tmp_path, tmp_path / index):
        file = open_weights(path)
        assert file.what == what
        assert file.digest == weights.digest(state)
        assert all(torch.equal(torching.tensor(file.tensor(name)), state[name]) for name in state)


def test_numbered_shards_need_no_index(halves, state, tmp_path):
    names = sharded(tmp_path, halves, index="")
    assert open_weights(tmp_path).digest == weights.digest(state)
    (tmp_path / names[1]).unlink()
    with pytest.raises(MalformedError, match=r"expected 2 shards in .*, got none with the number 2"):
        open_weights(tmp_path)


def test_a_tied_tensor_that_the_index_alone_names_is_found(tmp_path):
    parts = [{"a.weight": torch.randn(4, 4)}, {"b.weight": torch.randn(4, 4)}]
    sharded(tmp_path, parts)
    index = tmp_path / "model.safetensors.index.json"
    said = json.loads(index.read_text())
    said["metadata"] |= {
        "c.weight": "b.weight",
        "a.weight": "b.weight",
        "d.weight": "gone",
    }  # the first as huggingface_hub 2.4.0 writes it
    index.write_text(json.dumps(said))
    file = open_weights(tmp_path)
    assert (file.names, file.aliases) == (["a.weight", "b.weight"], {"c.weight": "b.weight"})
    assert torch.equal(torching.tensor(weight_of(file, "c")), parts[1]["b.weight"])


def test_a_folder_as_trainers_leave_it(state, tmp_path):
    torch.save({"state": {}, "param_groups": []}, tmp_path / "optimizer.pt")
    torch.save({"x": torch.zeros(2)}, tmp_path / "scheduler.pt")
    (tmp_path / "config.json").write_text("{}")
    torch.save(state, tmp_path / "last.ckpt")
    np.save(tmp_path / "statistics.npy", np.zeros(3))
    np.savez(tmp_path / "curves.npz", loss=np.zeros(3))
    assert open_weights(tmp_path).digest == weights.digest(state)
    torch.save(state, tmp_path / "best.ckpt")
    with pytest.raises(MalformedError, match=r"several: best\.ckpt, last\.ckpt"):
        open_weights(tmp_path)
    save_file({"w": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert open_weights(tmp_path).names == ["w"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("saved_model.pb", "a SavedModel"),
    ],
)
def test_folders_of_something_else_are_named(name, what, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MalformedError, match=what) as caught:
        open_weights(tmp_path)
    assert caught.value.hint
