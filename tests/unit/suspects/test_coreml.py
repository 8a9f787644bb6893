"""Core ML packages as coremltools itself undoes them; the packages are its own, see ``from_coreml/make.py``."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read
from modelmark.suspects.files import mapped, milprogram, milweights, open_weights
from modelmark.suspects.files.milprogram import Operation, Value
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

HERE = Path(__file__).with_name("from_coreml")
PACKAGES = sorted(path.name for path in HERE.iterdir() if path.suffix == ".mlpackage")
MODEL, NUMBERS = Path("Data/com.apple.CoreML/model.mlmodel"), Path("Data/com.apple.CoreML/weights/weight.bin")


def stem(name):
    for ending in ("_quantized", "_palettized", "_sparsified"):
        name = name.removesuffix(ending)
    return name


@pytest.mark.parametrize("name", PACKAGES)
def test_weights_are_those_that_coremltools_decompresses(name):
    file, expected = open_weights(HERE / name), dict(np.load(HERE / name / "truth.npz"))
    ours = {stem(key): key for key in file.shapes}
    assert len(expected) >= 5
    for key, value in expected.items():
        found = file.tensor(ours[stem(key)]).astype(np.float32)
        value = value.astype(np.float32)
        if ours[stem(key)] in file.stored:  # a transposed convolution
            value = value.swapaxes(0, 1)
        assert found.shape == file.shapes[ours[stem(key)]] == value.shape
        assert np.abs(found - value).max() <= 2.0**-11 * np.abs(value).max()  # its numbers are of 16 bits


def test_layers_are_found_by_torchs_names_or_by_the_order_of_operations():
    file = open_weights(HERE / "palette.mlpackage")
    filters = [file.shapes[name] for name in file.shapes if name in file.rows]
    assert filters == [(4, 1, 3, 3), (16, 4, 3, 3), (16, 16), (4, 16), (4, 16, 2, 2)]  # as the converter orders them
    (rows,) = State(file).observe(Read(Place("fc", 16, layout=(0, 1))))
    assert np.array_equal(rows, file.tensor(file.called("fc.weight")))
    assert file.called("conv.weight") == ""  # batch norm was folded into it, and its name is gone
    (folded,) = State(file).observe(Read(Place("conv", 36)))
    assert folded.shape == (16, 36)


def test_a_model_is_told_by_its_fields_and_not_taken_for_onnx():
    file = open_weights(HERE / "halves.mlpackage" / MODEL)
    assert file.what == "Core ML"


def test_of_a_package_one_layer_is_mapped(monkeypatch):
    counted, numbers = [], mapped.numbers
    monkeypatch.setattr(milprogram, "numbers", lambda *given: counted.append(given[2]) or numbers(*given))
    file = open_weights(HERE / "int8.mlpackage")
    assert not counted
    file.tensor(file.called("fc.weight"))
    assert sorted(counted) == [16, 16 * 16]  # a scale a filter


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_was_cut_or_changed(name, tmp_path):
    for part in (MODEL, NUMBERS):
        whole = np.frombuffer((HERE / name / part).read_bytes(), np.uint8)
        for seed in range(20):
            rng, raw = np.random.default_rng(seed), whole.copy()
            if seed < 6:
                raw = raw[: int(len(raw) * seed / 6)]
            else:
                raw[rng.choice(len(raw), len(raw) // 4 if seed % 2 else 3, replace=False)] = rng.integers(0, 256)
            shutil.copytree(HERE / name, tmp_path / "p", dirs_exist_ok=True)
            (tmp_path / "p" / part).write_bytes(raw.tobytes())
            said = ""
            try:
                file = open_weights(tmp_path / "p")
                for one in file.names:
                    file.tensor(one)
            except MalformedError as error:
                said = str(error)
            assert said or seed >= 6
            assert not said or said.startswith("expected ")
            assert len(said) < 500


def test_numbers_that_are_not_there(tmp_path):
    shutil.copytree(HERE / "halves.mlpackage", tmp_path / "p")
    (tmp_path / "p" / NUMBERS).unlink()
    with pytest.raises(MalformedError, match=r"weight\.bin' beside .*, found none"):
        open_weights(tmp_path / "p")


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "@model_path/../../x",
        "@model_path//x",
        "@model_path/a\\b",
        "@model_path/a\0",
        "x",
        "@model_path/./x",
    ],
)
def test_numbers_outside_of_the_package(file):
    with pytest.raises(MalformedError, match="expected the numbers of a Core ML model in"):
        Value(10, (2,), file=file).read(HERE)


@pytest.mark.parametrize(
    "value",
    [
        Value(10, (2**40, 2**20), file="@model_path/weights/weight.bin", offset=64),
        Value(10, (2,), file="@model_path/weights/weight.bin", offset=2**50),
        Value(10, (2,), file="@model_path/weights/weight.bin", offset=1),
        Value(10, (2,), raw=b"123"),
        Value(35, (9,), raw=b"123"),
    ],
)
def test_sizes_that_lie(value):
    with pytest.raises(MalformedError, match="expected "):
        value.read(HERE / "halves.mlpackage" / MODEL.parent)


def bits(array):
    return np.asarray(array).tobytes()


@pytest.mark.parametrize(
    ("does", "values"),
    [
        ("blockwise_shift_scale", {"data": Value(21, (4, 4), raw=bytes(16)), "scale": Value(11, (3, 1), raw=bytes(12))}),
        ("blockwise_shift_scale", {"data": Value(21, (4, 4), raw=bytes(16)), "scale": Value(11, (4,), raw=bytes(16))}),
        ("affine_dequantize", {"quantized_data": Value(21, (4, 4), raw=bytes(16)), "scale": Value(11, (3,), raw=bytes(12))}),
        ("sparse_to_dense", {"mask": Value(37, (8,), raw=b"\x07"), "nonzero_data": Value(11, (4,), raw=bytes(16))}),
        ("lut_to_dense", {"indices": Value(31, (2,), raw=b"\x00\x05"), "lut": Value(11, (1, 4, 1), raw=bytes(16))}),
        ("lut_to_dense", {"indices": Value(31, (2,), raw=b"\x00\x05"), "lut": Value(11, (3,), raw=bytes(12)),
                                    "shape": Value(33, (1,), raw=bits(np.uint32(4)))}),
        ("lut_to_dense", {"indices": Value(31, (2,), raw=b"\x00\x05"), "lut": Value(11, (4,), raw=bytes(16)),
                                    "shape": Value(33, (1,), raw=bits(np.uint32(2**31)))}),
    ],
)  # fmt: skip
def test_constants_that_do_not_go_together(does, values):
    operation = Operation(f"constexpr_{does}", "w", values=values)
    shape = milweights.shape_of(operation)
    with pytest.raises(MalformedError, match="expected "):
        milweights.weight(HERE, operation, shape)


def test_what_is_not_undone_is_named():
    assert milweights.shape_of(Operation("constexpr_lut_to_sparse", "w")) is None
    palette = {"indices": Value(31, (2,), raw=b"\0\0"), "lut": Value(11, (1, 4, 2), raw=bytes(32))}
    assert milweights.shape_of(Operation("constexpr_lut_to_dense", "w", values=palette)) is None  # two numbers an entry


def test_a_compiled_model_is_named(tmp_path):
    (tmp_path / "coremldata.bin").write_bytes(b"x")
    with pytest.raises(MalformedError, match="a compiled Core ML model") as caught:
        open_weights(tmp_path)
    assert "mlpackage" in caught.value.hint
