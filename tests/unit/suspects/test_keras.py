"""HDF5 as Keras writes it, alone and in an archive: kernels turned to filters first, layers under their names."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read
from modelmark.suspects.files import hdf5, keras_packed, open_weights
from modelmark.suspects.files.mapped import Extent
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

h5py = pytest.importorskip("h5py", reason="the library h5py is not installed")
RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


KERNEL, DENSE, UP, DEEP = values(3, 3, 4, 6), values(6, 10), values(2, 2, 5, 6), values(3, 3, 6, 2)
# a layer's group and name as Keras 3 writes them, its first variable, and the same with filters in rows
LAYERS = {
    "conv2d": ("first", KERNEL, KERNEL.transpose(3, 2, 0, 1)),
    "conv2d_2": ("second", KERNEL + 1, (KERNEL + 1).transpose(3, 2, 0, 1)),
    "conv2d_10": ("tenth", KERNEL + 2, (KERNEL + 2).transpose(3, 2, 0, 1)),
    "conv2d_transpose": ("up", UP, UP.transpose(2, 3, 0, 1)),
    "dense": ("head", DENSE, DENSE.T),
    "depthwise_conv2d": ("deep", DEEP, DEEP.transpose(2, 3, 0, 1).reshape(12, 1, 3, 3)),
    "embedding": ("words", DENSE, DENSE),
}


def weights(path):
    """Write what ``save_weights`` writes."""
    with h5py.File(path, "w") as file:
        for group, (called, array, _) in LAYERS.items():
            variables = file.create_group(f"layers/{group}/vars")
            variables.attrs["name"] = called
            variables["0"] = array
            variables["1"] = np.zeros(3, np.float32)
        file["optimizer/vars/0"] = KERNEL
    return path


def archive(path):
    """Write what ``save`` writes."""
    weights(path.parent / "inner")
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("metadata.json", "{}")
        layers = [{"class_name": "Layer", "config": {"name": called}} for called, _, _ in reversed(LAYERS.values())]
        target.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        target.write(path.parent / "inner", "model.weights.h5")
    return path


def legacy(path):
    """Write what older versions and ``save("m.h5")`` write."""
    classes = {"first": "Conv2D", "up": "Conv2DTranspose", "deep": "DepthwiseConv2D", "head": "Dense"}
    layers = [{"class_name": kind, "config": {"name": name}} for name, kind in classes.items()]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": layers}})
        for called, array, _ in LAYERS.values():
            variable = "depthwise_kernel" if called == "deep" else "kernel"
            if called in classes:
                file[f"model_weights/{called}/sequential/{called}/{variable}"] = array
    return path


@pytest.mark.parametrize("write", [weights, archive, legacy])
def test_layers_are_found_by_their_names_and_turned(write, tmp_path):
    file = open_weights(write(tmp_path / "w"))
    state = State(file)
    assert file.what == "HDF5 of Keras"
    for called, _, expected in LAYERS.values():
        if write is legacy and called not in ("first", "up", "deep", "head"):
            continue
        width = int(np.prod(expected.shape[1:]))
        layouts = [(0, 0), (0, 1)] if called != "words" else [(0, 0)]
        for layout in layouts:
            (found,) = state.observe(Read(Place(called, width, layout=layout)))
            assert np.array_equal(found, expected.reshape(len(expected), -1)), called
    assert not any("optimizer" in name for name in file.shapes)
    assert not any("where the size fits" in note for note in state.notes)


def test_layers_stand_in_the_order_of_the_network(tmp_path):
    names = [name for name in open_weights(weights(tmp_path / "w")).shapes if "conv2d" in name and name.endswith("/0")]
    assert names[:3] == [f"layers/{group}/vars/0" for group in ("conv2d", "conv2d_2", "conv2d_10")]
    file = open_weights(archive(tmp_path / "a"))
    kernels = [name.split("/")[1] for name in file.shapes if name.endswith("/0")]
    assert kernels == [*reversed(LAYERS)]  # as its configuration says


def test_shapes_are_shown_as_they_are_stored(tmp_path):
    file = open_weights(weights(tmp_path / "w"))
    assert file.stored["layers/conv2d/vars/0"] == (3, 3, 4, 6)
    assert file.shapes["layers/conv2d/vars/0"] == (6, 4, 3, 3)
    assert file.types["layers/conv2d/vars/0"] == "float32"
    assert file.notes == ("left aside: optimizer",)


def test_links_out_of_the_file_and_arrays_in_pieces_are_not_read(tmp_path):
    with h5py.File(tmp_path / "other", "w") as file:
        file["secret"] = values(3)
    with h5py.File(tmp_path / "w", "w") as file:
        file["a"] = values(3)
        file["out"] = h5py.ExternalLink(str(tmp_path / "other"), "/secret")
        file["soft"] = h5py.SoftLink("/a")
        file["loop/again"] = file["/"]
        file.create_dataset("bomb", (2**20, 2**20), np.float32, compression="gzip")
        file.create_dataset("unwritten", (2**30,), np.float32)
        file.create_dataset("beside", (3,), np.float32, external=[(str(tmp_path / "other"), 0, 12)])
        layout = h5py.VirtualLayout((3,), np.float32)
        layout[:] = h5py.VirtualSource(tmp_path / "other", "secret", (3,))
        file.create_virtual_dataset("virtual", layout)
        file["turned"] = np.zeros(3, ">f4")
        file["words"] = "text"
    file = open_weights(tmp_path / "w")
    assert file.names == ["a"]
    assert {name: why.split(",")[0] for name, why in file.unreadable.items()} == {
        "bomb": "stored in pieces", "unwritten": "stored in pieces", "beside": "kept in another file",
        "virtual": "kept in another file", "turned": "of type >f4", "words": "of type object",
    }  # fmt: skip


def test_a_library_that_does_not_come_back_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_PATIENCE", 0.01)  # less than it takes to start
    with pytest.raises(MalformedError, match="did not come to an end"):
        open_weights(weights(tmp_path / "w"))


def test_nothing_in_it(tmp_path):
    h5py.File(tmp_path / "w", "w").close()
    with pytest.raises(MalformedError, match="expected arrays in"):
        open_weights(tmp_path / "w")


PACKED = Path(__file__).with_name("from_keras")


@pytest.mark.parametrize("name", ["int8", "int4", "int4_groups"])
def test_what_keras_quantised_is_what_its_layer_multiplies_with(name):
    truth = np.load(PACKED / "truth.npz")[name]
    file = open_weights(PACKED / f"{name}.keras")
    (found,) = State(file).observe(Read(Place("up", 40)))
    assert found.shape == (13, 40)
    assert np.allclose(found, truth.T, atol=1e-6)
    assert {shape for name, shape in file.shapes.items() if name.startswith("layers/dense/")} == {(13, 40), (13,)}
    assert any(note.startswith("unpacked: 2 layers") for note in file.notes)


@pytest.mark.parametrize(
    ("variables", "is_unread"),
    [
        ([("u1", (6, 5)), ("f4", (10, 1)), ("u1", (10, 1)), ("f4", (6,))], True),  # GPTQ of Keras
        ([("i1", (6, 5)), ("f4", (4,))], False),
        ([("i1", (6, 5)), ("f4", (2, 9)), ("i1", (2, 8)), ("f4", (6,))], False),
        ([("i1", (6, 5))], False),
    ],
)
def test_variables_that_no_packing_has_stay_as_they_are(variables, is_unread):
    found = {
        f"layers/dense/vars/{number}": Extent(Path("w"), 0, np.dtype(kind), shape)
        for number, (kind, shape) in enumerate(variables)
    }
    made, unread = keras_packed.kernels(found)
    assert (made, list(unread)) == ({}, ["layers/dense/vars/0"] if is_unread else [])


def test_shards_of_keras_are_put_together(tmp_path):
    for number, layer in enumerate(("conv2d", "dense")):
        with h5py.File(tmp_path / f"m_0000{number}.weights.h5", "w") as file:
            file[f"layers/{layer}/vars/0"] = LAYERS[layer][1]
            file[f"layers/{layer}/vars"].attrs["name"] = LAYERS[layer][0]
    places = {
        "/layers/conv2d/vars": "m_00000.weights.h5",
        "/layers/dense/vars": ["m_00001.weights.h5"],
    }  # as keras 3.15.1 writes both
    (tmp_path / "m.weights.json").write_text(json.dumps({"metadata": {"total_size": 1.0}, "weight_map": places}))
    file = open_weights(tmp_path)
    for layer in ("conv2d", "dense"):
        called, _, rows = LAYERS[layer]
        assert np.array_equal(file.tensor(file.called(f"{called}.weight")), rows)


MAKE = """
import sys, keras
first, second = keras.layers.Conv2D(6, 3, name="first"), keras.layers.SeparableConv2D(5, 3)
up = keras.layers.Conv2DTranspose(4, 2)
head = keras.layers.Dense(3, name="head")
model = keras.Sequential([keras.Input((8, 8, 2)), first, second, up, keras.layers.GlobalAveragePooling2D(), head])
model.save(sys.argv[1] + "/a.keras"); model.save_weights(sys.argv[1] + "/a.weights.h5"); model.save(sys.argv[1] + "/a.h5")
import numpy
numpy.save(sys.argv[1] + "/first.npy", first.kernel.numpy()); numpy.save(sys.argv[1] + "/up.npy", up.kernel.numpy())
"""


def test_what_keras_itself_writes(tmp_path):
    pytest.importorskip("keras", reason="keras is not installed")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKE, tmp_path], check=True, env=environment, capture_output=True
    )
    first, up = (np.load(tmp_path / f"{name}.npy") for name in ("first", "up"))
    for name in ("a.keras", "a.weights.h5", "a.h5"):
        file = open_weights(tmp_path / name)
        assert np.array_equal(file.tensor(file.called("first.weight")), first.transpose(3, 2, 0, 1))
        (turned,) = (one for one in file.shapes if "transpose" in one and len(file.shapes[one]) == 4)
        assert np.array_equal(file.tensor(turned), up.transpose(2, 3, 0, 1))
        assert (5, 6, 1, 1) in file.shapes.values()  # what a separable layer mixes with
        assert (6, 1, 3, 3) in file.shapes.values()  # what it sees each input through
