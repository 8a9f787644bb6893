"""Packed weights are read as their quantiser itself reads them; the folders are its own, see ``from_quantisers/make.py``."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import numpy
from safetensors.torch import load_file, save_file

from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import Read
from modelmark.suspects.files import held, open_weights, quantisers, weight_of
from modelmark.suspects.files.quantisers import layers
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

HERE = Path(__file__).with_name("from_quantisers")
FOLDERS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_"))


def truth(name):
    return dict(np.load(HERE / name / "truth.npz"))


def opened(name):
    return open_weights(HERE / name / "model.safetensors")


def changed(name, folder, tensors):
    """Write a folder of which some tensors are others, or gone."""
    state = load_file(HERE / name / "model.safetensors")
    for key, value in tensors.items():
        if value is None:
            del state[key]
        else:
            state[key] = value(state[key]).contiguous()
    save_file(state, folder / "model.safetensors")
    if (HERE / name / "config.json").exists():
        shutil.copy(HERE / name / "config.json", folder)
    return open_weights(folder / "model.safetensors")


@pytest.mark.parametrize("name", FOLDERS)
def test_weights_are_those_that_the_quantiser_itself_makes(name):
    file, expected = opened(name), truth(name)
    assert file.names == sorted(expected)
    for key, value in expected.items():
        assert file.shapes[key] == tuple(value.shape)
        assert np.array_equal(file.tensor(key), value)
    assert any(note.startswith("unpacked: ") for note in file.notes)
    container = "safetensors of MLX" if name.startswith("mlx") else "safetensors"
    assert file.what == f"{container}, weights packed"


@pytest.mark.parametrize("name", [name for name in FOLDERS if name != "mxfp4"])
def test_rows_are_filters_whatever_layout_the_key_has(name):
    expected = truth(name)["0.weight"]
    for layout in ((0, 0), (0, 1)):  # the latter is what a key from GPT-2's Conv1D names
        (found,) = State(opened(name)).observe(Read(Place("0", expected.shape[1], layout=layout)))
        assert np.array_equal(found, expected)


def test_of_several_layers_one_is_read_and_no_other():
    state = numpy.load_file(HERE / "gptq_4_v1" / "model.safetensors")
    state |= {key.replace("0.", "1."): value for key, value in state.items()} | {"head.weight": np.zeros(3)}
    asked = []

    def read(name):
        asked.append(name)
        return state[name]

    file = quantisers.undone(replace(held(state), read=read, types=dict.fromkeys(state, "I32") | {
        f"{number}.scales": "F16" for number in (0, 1)}), HERE / "gptq_4_v1")  # fmt: skip
    assert (file.names, asked) == (["0.weight", "1.weight", "head.weight"], [])
    file.tensor("1.weight")
    assert sorted(asked) == ["1.g_idx", "1.qweight", "1.qzeros", "1.scales"]


def test_version_1_of_gptq_borrows_from_the_next_zero_point():
    state = load_file(HERE / "gptq_4_v1" / "model.safetensors")
    stored = layers.unpacked(state["0.qzeros"].numpy().T, 4, 32).T
    each_alone = (stored + 1) % 16
    right = load_file(HERE / "gptq_4_v2" / "model.safetensors")["0.qzeros"].numpy()
    assert not np.array_equal(each_alone, layers.unpacked(right.T, 4, 32).T)
    assert np.array_equal(opened("gptq_4_v1").tensor("0.weight"), truth("gptq_4_v2")["0.weight"])


def test_without_a_configuration_gptq_is_of_version_1(tmp_path):
    for name, is_right in (("gptq_4_v1", True), ("gptq_4_v2", False)):
        shutil.copy(HERE / name / "model.safetensors", tmp_path)
        found = open_weights(tmp_path).tensor("0.weight")
        assert np.array_equal(found, truth(name)["0.weight"]) == is_right


def test_groups_out_of_order_are_followed(tmp_path):
    in_order = changed("gptq_4_v2", tmp_path, {"0.g_idx": lambda groups: torch.sort(groups).values})
    assert not np.array_equal(in_order.tensor("0.weight"), truth("gptq_4_v2")["0.weight"])


def test_a_table_in_the_file_is_not_what_bitsandbytes_computes_with(tmp_path):
    file = changed("bnb_nf4", tmp_path, {"0.weight.quant_map": torch.zeros_like})
    assert np.array_equal(file.tensor("0.weight"), truth("bnb_nf4")["0.weight"])


def test_the_same_packed_weights_from_a_torch_checkpoint(tmp_path):
    for name in ("bnb_nested", "ct_int4_zero_points", "ct_nvfp4", "awq"):
        torch.save(load_file(HERE / name / "model.safetensors"), tmp_path / f"{name}.bin")
        file = open_weights(tmp_path / f"{name}.bin")
        assert np.array_equal(file.tensor("0.weight"), truth(name)["0.weight"])


def state_of(**words):
    return lambda raw: torch.frombuffer(
        bytearray(json.dumps(json.loads(bytes(raw.tolist())) | words).encode()), dtype=torch.uint8
    )


NF4 = "0.weight.quant_state.bitsandbytes__nf4"
LIES = {
    "a shape of more numbers than there are": ("bnb_nf4", {NF4: state_of(shape=[2**20, 2**20])}),
    "a shape that is none": ("bnb_nf4", {NF4: state_of(shape=[-32, -64])}),
    "blocks of no size": ("bnb_nf4", {NF4: state_of(blocksize=0)}),
    "an offset that is no number": ("bnb_nested", {NF4: state_of(nested_offset=[])}),
    "a state that is no JSON": ("bnb_nf4", {NF4: lambda raw: raw.flip(0)}),
    "a state of a megabyte": ("bnb_nf4", {NF4: lambda raw: raw.repeat(2**14)}),
    "scales of too few blocks": ("bnb_fp4", {"0.weight.absmax": lambda scales: scales[1:]}),
    "no scales": ("bnb_fp4", {"0.weight.absmax": None}),
    "rows and scales apart": ("bnb_int8", {"0.SCB": lambda scales: scales[1:]}),
    "integers in the order of a GPU": ("bnb_int8", {"0.weight_format": lambda kind: kind + 1}),
    "groups of fewer inputs": ("gptq_4_v1", {"0.g_idx": lambda groups: groups[:-8]}),
    "words that hold no whole numbers": ("gptq_4_v1", {"0.qweight": lambda words: words[:-1]}),
    "zero points of fewer outputs": ("gptq_4_v1", {"0.qzeros": lambda zeros: zeros[:, :-1]}),
    "zero points of AWQ of fewer groups": ("awq", {"0.qzeros": lambda zeros: zeros[:-1]}),
    "scales that no layout has": ("awq", {"0.scales": lambda scales: scales[:, :-1]}),
    "scales of more groups than inputs": ("ct_int4", {"0.weight_scale": lambda scales: scales.repeat(1, 64)}),
    "a shape of other rows": ("ct_int4", {"0.weight_shape": lambda shape: shape * 2**20}),
    "a shape of three sizes": ("ct_int4", {"0.weight_shape": lambda shape: shape[[0, 1, 1]]}),
    "no shape": ("ct_int4", {"0.weight_shape": None}),
    "zero points of no layout": ("ct_int4_zero_points", {"0.weight_zero_point": lambda zeros: zeros[:-1]}),
    "scales of pairs that share nothing": ("ct_nvfp4", {"0.weight_scale": lambda scales: scales[:, :3]}),
    "a scale of fewer rows": ("ct_fp8", {"0.weight_scale": lambda scales: scales[:5]}),
    "scales of torchao of three axes": ("ao_int8", {"0._weight_scale": lambda scales: scales[None]}),
    "bits that config.json does not go with": ("mlx_4", {"0.weight": lambda words: words[:, :5]}),
    "groups of MLX of fewer rows": ("mlx_4", {"0.scales": lambda scales: scales[1:]}),
    "floats of MLX in no groups": ("mlx_nvfp4", {"0.scales": lambda scales: scales[:, :3]}),
    "exponents of fewer blocks": ("mxfp4", {"experts.gate_up_proj_scales": lambda scales: scales[:, :, 1:]}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_parts_that_do_not_go_together_are_left_as_they_are_and_named(lie, tmp_path):
    name, tensors = LIES[lie]
    file = changed(name, tmp_path, tensors)
    (note,) = (note for note in file.notes if note.startswith("not unpacked: "))
    assert len(note) < 500
    weight = next(iter(truth(name)))
    if file.shapes.get(weight) is None:
        with pytest.raises(MismatchError, match="expected the layer"):
            weight_of(file, weight.removesuffix(".weight"))
    else:
        assert file.shapes[weight] != tuple(truth(name)[weight].shape) or file.types[weight] in ("I8", "F8_E4M3")


def test_without_a_configuration_the_bits_of_mlx_are_those_that_alone_fit(tmp_path):
    for name, is_told in (("mlx_3", True), ("mlx_4", False)):  # 8 words in 2 groups are 4 bits, or 2 in groups of 64
        shutil.copy(HERE / name / "model.safetensors", tmp_path)
        file = open_weights(tmp_path)
        assert (file.shapes["0.weight"] == (32, 64)) == is_told
        assert any(note.startswith("not unpacked: ") for note in file.notes) != is_told


def test_other_layers_are_read_beside_a_damaged_one(tmp_path):
    state = load_file(HERE / "bnb_nf4" / "model.safetensors")
    state |= {key.replace("0.", "1.", 1): value for key, value in state.items()}
    state["0.weight.absmax"] = state["0.weight.absmax"][1:].clone()
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "w")
    assert np.array_equal(open_weights(tmp_path / "w").tensor("1.weight"), truth("bnb_nf4")["0.weight"])


@pytest.mark.parametrize("name", FOLDERS)
def test_numbers_that_were_changed_at_random_are_numbers_or_a_refusal(name, tmp_path):
    whole = np.frombuffer((HERE / name / "model.safetensors").read_bytes(), np.uint8)
    start = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    for seed in range(12):
        rng, raw = np.random.default_rng(seed), whole.copy()
        places = rng.choice(
            np.arange(start if seed % 2 else 8, len(raw)), len(raw) // 4 if seed % 2 else 3, replace=False
        )
        raw[places] = rng.integers(0, 256, len(places))
        (tmp_path / "model.safetensors").write_bytes(raw.tobytes())
        said = "expected "
        try:
            file = open_weights(tmp_path / "model.safetensors")
            for key in file.names:
                assert tuple(file.tensor(key).shape) == file.shapes[key]
        except MalformedError as error:
            said = str(error)
        assert said.startswith("expected ")
        assert len(said) < 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"quantization_config": 3}',
        '{"quantization_config": {}, "quantization_config": {}}',
        "[" * 10**5,
    ],
)
def test_a_configuration_that_says_nothing(text, tmp_path):
    shutil.copy(HERE / "awq" / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(text)
    if text.count("quantization_config") == 2:
        with pytest.raises(MalformedError, match="every name once"):
            open_weights(tmp_path)
    else:
        assert np.array_equal(open_weights(tmp_path).tensor("0.weight"), truth("awq")["0.weight"])


def test_more_weights_than_fit_any_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("modelmark.suspects.files.mapped.LIMIT", 32 * 64 * 4 - 1)
    with pytest.raises(MalformedError, match="tensors of at most"):
        opened("awq")


def test_names_that_only_look_so(tmp_path):
    state = {"encoder_blocks": torch.ones(2, 3), "encoder_blocks_scales": torch.ones(1), "x_packed": torch.ones(2),
             "x_scale": torch.ones(1), "a.weight": torch.ones(2, 2), "a.weight_scale": torch.ones(1)}  # fmt: skip
    save_file(state, tmp_path / "w")
    file = open_weights(tmp_path / "w")
    assert (file.what, file.notes, file.names) == ("safetensors", (), sorted(state))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["int8", "intx", "fp8"])
def test_tensors_of_torchao_in_a_torch_checkpoint_are_read_without_torchao(kind, tmp_path):
    library = pytest.importorskip("torchao.quantization", reason="the library torchao is not installed")
    config = {
        "int8": library.Int8WeightOnlyConfig,
        "intx": lambda: library.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=library.PerGroup(32)),
        "fp8": library.Float8WeightOnlyConfig,
    }[kind]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Linear(32, 16, bias=False))
    library.quantize_(model, config())
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, tmp_path / "w")
    file = open_weights(tmp_path / "w")
    for layer in (0, 1):
        expected = model[layer].weight.dequantize().float().numpy()
        assert np.array_equal(file.tensor(f"state_dict.{layer}.weight"), expected)
    assert np.array_equal(file.tensor("state_dict.0.bias"), model[0].bias.detach().numpy())
    assert not any("qdata" in name for name in file.names)


class Torchao:
    """What looks like one of its tensors and does something else."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w').close()  # torchao",)


def test_nothing_in_a_checkpoint_that_names_torchao_runs(tmp_path):
    state = {"w": torch.ones(2, 3), "x": Torchao(str(tmp_path / "ran"))}
    torch.save(state, tmp_path / "w")
    assert np.array_equal(open_weights(tmp_path / "w").tensor("w"), np.ones((2, 3), np.float32))
    assert not (tmp_path / "ran").exists()
