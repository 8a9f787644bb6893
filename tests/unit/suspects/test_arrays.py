"""Arrays by path that no network describes: NumPy's files and archives, and the msgpack of Flax."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from modelmark.errors import MalformedError
from modelmark.suspects import torching
from modelmark.suspects.base import Read
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_archives_of_numpy(write, tmp_path):
    given = {
        "layer.weight": values(4, 6), "columns": np.asfortranarray(values(4, 6)), "cut": values(8, 8)[::2, 1::3],
        "n": np.array(3), "half": values(3).astype(np.float16), "empty": np.zeros((0, 3), np.float32),
    }  # fmt: skip
    write(tmp_path / "m.npz", **given)
    file = open_weights(tmp_path / "m.npz")
    assert file.what == "NumPy archive"
    assert all(np.array_equal(file.tensor(name), array) for name, array in given.items())
    assert file.types["half"] == "float16"


def test_one_array_has_the_name_of_its_file(tmp_path):
    given = values(3, 4)
    np.save(tmp_path / "fc.npy", given)
    file = open_weights(tmp_path / "fc.npy")
    assert file.names == ["fc"]
    assert np.array_equal(file.tensor("fc"), given)


def test_objects_are_not_unpickled_and_bombs_not_unpacked(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    np.savez_compressed(tmp_path / "m.npz", a=values(2), o=objects, bomb=np.zeros((5000, 5000), np.float32))
    file = open_weights(tmp_path / "m.npz")
    assert file.names == ["a"]
    assert file.unreadable == {"o": "of type object", "bomb": "packed more than 64 times"}
    np.save(tmp_path / "o.npy", objects, allow_pickle=True)
    with pytest.raises(MalformedError, match="of type object"):
        open_weights(tmp_path / "o.npy")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw.replace(b"(3, 4)", b"(9, 9)"), "expected fc to end at byte"),
        (lambda raw: raw.replace(b"(3, 4)", b"(-3,4)"), "expected the shape of fc|to end at byte"),
        (lambda raw: raw.replace(b"'<f4'", b"'<f9'"), "a damaged one"),
        (lambda raw: raw.replace(b"(3, 4)", b"f(3,4)"), "a damaged one"),
        (lambda raw: raw[:40], "a damaged one"),
        (lambda raw: raw[:-1], "expected fc to end at byte"),
    ],
)
def test_an_array_that_lies(change, says, tmp_path):
    np.save(tmp_path / "w.npy", values(3, 4))
    (tmp_path / "fc.npy").write_bytes(change((tmp_path / "w.npy").read_bytes()))
    with pytest.raises(MalformedError, match=says):
        open_weights(tmp_path / "fc.npy")


def test_a_member_of_another_size(tmp_path):
    np.save(tmp_path / "w.npy", values(3, 4))
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as target:
        target.writestr("w.npy", (tmp_path / "w.npy").read_bytes() + b"more")
    with pytest.raises(MalformedError, match="expected 176 bytes of w"):
        open_weights(tmp_path / "m.npz")


def flax(path, tree):
    """Write what ``flax.serialization.to_bytes`` writes."""
    msgpack = pytest.importorskip("msgpack", reason="the library msgpack is not installed")

    def packed(value):
        if isinstance(value, dict):
            return {name: packed(part) for name, part in value.items()}
        if isinstance(value, np.ndarray):
            return msgpack.ExtType(
                1, msgpack.packb((value.shape, value.dtype.name, value.tobytes()), use_bin_type=True)
            )
        return value

    path.write_bytes(msgpack.packb(packed(tree), use_bin_type=True))
    return path


def test_trees_of_flax_with_their_kernels_turned(tmp_path):
    kernel, dense, words = values(3, 3, 2, 5), values(6, 6), values(7, 4)
    tree = {
        "params": {
            "Conv_0": {"kernel": kernel, "bias": values(5)}, "fc": {"kernel": dense}, "Embed_0": {"embedding": words},
            "other": {"list": [1, [2, {"a": None}], "x" * 300, 2.5], "flag": True, "large": 2**40, "bytes": b"x" * 70000},
        },
        "opt_state": {"mu": {"kernel": kernel}},
        "step": 3,
    }  # fmt: skip
    file = open_weights(flax(tmp_path / "w", tree))
    assert list(file.shapes) == [
        "params/Conv_0/kernel", "params/Conv_0/bias", "params/fc/kernel", "params/Embed_0/embedding",
    ]  # fmt: skip
    assert file.notes == ("left aside: opt_state",)
    assert np.array_equal(file.tensor("params/Conv_0/kernel"), kernel.transpose(3, 2, 0, 1))
    assert np.array_equal(file.tensor("params/Embed_0/embedding"), words)
    (found,) = State(file).observe(Read(Place("fc", 6, layout=(0, 1))))
    assert np.array_equal(found, dense.T)


@pytest.mark.parametrize("kind", ["float64", "float16", "int8", "uint8", "int64", "bool"])
def test_types_of_flax(kind, tmp_path):
    given = np.array([[0, 1], [1, 1]]).astype(kind)
    file = open_weights(flax(tmp_path / "w", {"a": given}))
    assert torch.equal(torching.tensor(file.tensor("a")), torch.from_numpy(given))


def test_trees_that_lie(tmp_path):
    raw = flax(tmp_path / "w", {"a": values(2, 3)}).read_bytes()
    for old, new, says in (
        (b"\x92\x02\x03", b"\x92\x09\x03", "expected 108 bytes of an array"),
        (b"float32", b"float64", "expected 48 bytes of an array"),
        (b"\x81\xa1a", b"\x89\xa1a", "a damaged one"),
        (b"\x93\x92", b"\x95\x92", "a damaged one"),
    ):
        assert old in raw
        (tmp_path / "w").write_bytes(raw.replace(old, new, 1))
        with pytest.raises(MalformedError, match=says):
            open_weights(tmp_path / "w")


MAKE = """
import sys, jax, jax.numpy as jnp, numpy as np
from flax import linen as nn, serialization
class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="head")(nn.ConvTranspose(4, (2, 2))(nn.Conv(5, (3, 3))(x)).mean((1, 2)))
params = Net().init(jax.random.PRNGKey(0), jnp.zeros((1, 8, 8, 2)))
open(sys.argv[1] + "/w", "wb").write(serialization.to_bytes(params))
for name in ("Conv_0", "head"):
    np.save(f"{sys.argv[1]}/{name}.npy", params["params"][name]["kernel"])
"""


def test_what_flax_itself_writes(tmp_path):
    pytest.importorskip("flax", reason="flax is not installed")
    subprocess.run([sys.executable, "-W", "ignore", "-c", MAKE, tmp_path], check=True, capture_output=True)
    file = open_weights(tmp_path / "w")
    assert np.array_equal(file.tensor("params/Conv_0/kernel"), np.load(tmp_path / "Conv_0.npy").transpose(3, 2, 0, 1))
    assert np.array_equal(file.tensor(file.called("head.weight")), np.load(tmp_path / "head.npy").T)
    assert file.shapes["params/ConvTranspose_0/kernel"] == (4, 5, 2, 2)


@pytest.mark.parametrize(
    "write", [np.savez, lambda path, **arrays: save_file(arrays, path)], ids=["NumPy", "safetensors"]
)
@pytest.mark.parametrize("between", [".", "/"])
def test_kernels_are_turned_where_nothing_is_called_a_weight(write, between, tmp_path):
    conv, up = values(3, 5, 4, 6), values(8, 8)
    names = [between.join(("params", layer, "kernel")) for layer in ("conv", "up")]
    expected = {"conv": conv.transpose(3, 2, 0, 1).reshape(6, -1), "up": up.T}
    write(tmp_path / "m.npz", **dict(zip(names, (conv, up), strict=True)))
    file = open_weights(tmp_path / "m.npz")
    assert (file.shapes[names[0]], file.stored[names[0]]) == ((6, 4, 3, 5), (3, 5, 4, 6))
    for layer, rows in expected.items():
        suspect = State(file)
        (found,) = suspect.observe(Read(Place(layer, rows.shape[1])))
        assert np.array_equal(found, rows)
        assert not suspect.notes
    write(tmp_path / "t.npz", **{names[1]: up, "head.weight": up})
    assert np.array_equal(open_weights(tmp_path / "t.npz").tensor(names[1]), up)
