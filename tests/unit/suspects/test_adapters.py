"""Adapters over a base, as peft itself merges them; the folders are its own, see ``from_peft/make.py``."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import numpy
from safetensors.torch import load_file, save_file

from modelmark.errors import MalformedError
from modelmark.suspects.files import mapped, open_weights

HERE = Path(__file__).with_name("from_peft")
BASE = HERE / "base.safetensors"
CASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_"))


def truth(name):
    return dict(np.load(HERE / name / "truth.npz"))


def written(name, folder, weights=None, **words):
    """Write an adapter of which some tensors and settings are others."""
    folder.mkdir(exist_ok=True)
    config = json.loads((HERE / name / "adapter_config.json").read_text()) | words
    (folder / "adapter_config.json").write_text(json.dumps(config))
    state = load_file(HERE / name / "adapter_model.safetensors")
    for key, value in (weights or {}).items():
        state[key] = value(state[key]).contiguous()
    save_file(state, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_weights_are_those_that_peft_merges(name):
    file, expected, base = open_weights(HERE / name, BASE), truth(name), numpy.load_file(BASE)
    for key in file.names:
        found = file.tensor(key)
        assert file.shapes[key] == tuple(found.shape)
        if key not in expected:
            assert np.array_equal(found, base[key])
            continue
        largest = np.abs(expected[key]).max()
        assert np.abs(found - expected[key]).max() <= 2 * np.finfo(np.float32).eps * largest
        assert not np.array_equal(found, base[key])


def test_what_the_base_alone_reads_is_another_network():
    expected = truth("lora")["fc.weight"]
    plain = numpy.load_file(BASE)["fc.weight"]
    assert np.linalg.norm(plain - expected) > 0.1 * np.linalg.norm(expected)
    (note,) = open_weights(HERE / "lora", BASE).notes
    assert note == "merged: LoRA in 4 layers over base.safetensors, rank 4"
    assert open_weights(HERE / "dora", BASE).notes[0].startswith("merged: DoRA in 4 layers")


def test_ranks_of_patterns_are_said():
    assert "rank 2, 4" in open_weights(HERE / "patterns", BASE).notes[0]


def test_without_its_base_the_way_on_is_said():
    for path in (HERE / "lora", HERE / "lora" / "adapter_model.safetensors"):
        with pytest.raises(MalformedError, match="an adapter without the network it adapts, 'someone/base'") as caught:
            open_weights(path)
        assert "--base" in caught.value.hint


def test_the_base_that_it_names_is_taken_if_it_is_a_folder_here(tmp_path):
    (tmp_path / "base").mkdir()
    shutil.copy(BASE, tmp_path / "base" / "model.safetensors")
    adapter = written("lora", tmp_path / "adapter", base_model_name_or_path=str(tmp_path / "base"))
    assert np.allclose(open_weights(adapter).tensor("fc.weight"), truth("lora")["fc.weight"], atol=1e-6)


def test_the_base_may_be_any_container(tmp_path):
    torch.save({"state_dict": {f"module.{key}": value for key, value in load_file(BASE).items()}}, tmp_path / "base.pt")
    file = open_weights(HERE / "dora", tmp_path / "base.pt")
    assert np.allclose(file.tensor("module.fc.weight"), truth("dora")["fc.weight"], atol=1e-6)


def test_one_layer_is_merged_and_no_other(monkeypatch):
    counted, numbers = [], mapped.numbers
    monkeypatch.setattr(mapped, "numbers", lambda *given: counted.append(given[2]) or numbers(*given))
    open_weights(HERE / "lora", BASE).tensor("fc.weight")
    assert sorted(counted) == [4 * 16, 24 * 4, 24 * 16]


def test_a_base_without_an_adapter(tmp_path):
    with pytest.raises(MalformedError, match="expected an adapter"):
        open_weights(BASE, BASE)
    with pytest.raises(MalformedError, match="got another adapter"):
        open_weights(HERE / "lora", HERE / "dora")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"peft_type": "LOHA"}, "got one with LOHA"),
        ({"peft_type": ["x"] * 10**5}, "got one with"),
        ({"lora_alpha": "many"}, "got something else"),
        ({"lora_alpha": float("inf")}, "got something else"),
        ({"alpha_pattern": {"(a+)+b": 3}}, "patterns of groups"),
        ({"alpha_pattern": {"[": 3}}, "patterns of groups"),
        ({"alpha_pattern": {"*": 3}}, "got something else"),
        ({"alpha_pattern": [1]}, "got something else"),
        ({"use_qalora": True}, "got one with use_qalora"),
        ({"layer_replication": [[0, 2]]}, "got one with layer_replication"),
    ],
)
def test_a_configuration_of_another_kind_or_none(words, says, tmp_path):
    with pytest.raises(MalformedError, match=says) as caught:
        open_weights(written("lora", tmp_path / "a", **words), BASE)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"r": 1, "r": 2}', b"[" * 10**5, b"\xff\xfe"])
def test_a_configuration_that_is_damaged(raw, tmp_path):
    adapter = written("lora", tmp_path / "a")
    (adapter / "adapter_config.json").write_bytes(raw)
    with pytest.raises(MalformedError, match="expected "):
        open_weights(adapter, BASE)


def test_factors_that_do_not_go_with_the_base_are_left_aside_and_named(tmp_path):
    down, up = (f"base_model.model.fc.lora_{side}.weight" for side in "AB")
    for weights in ({down: lambda a: a[:3]}, {up: lambda b: b[1:]}, {down: lambda a: a[:0]}):
        file = open_weights(written("lora", tmp_path / "a", weights), BASE)
        assert any("left aside of the adapter" in note and "fc" in note for note in file.notes)
        assert np.array_equal(file.tensor("fc.weight"), load_file(BASE)["fc.weight"])


def test_an_adapter_begun_by_a_method_that_changes_its_base_says_so(tmp_path):
    file = open_weights(written("lora", tmp_path / "a", init_lora_weights="pissa"), BASE)
    assert any("begun by pissa" in note for note in file.notes)


def test_weights_that_were_cut_or_changed(tmp_path):
    adapter = written("dora", tmp_path / "a")
    whole = (HERE / "dora" / "adapter_model.safetensors").read_bytes()
    for seed in range(20):
        rng, raw = np.random.default_rng(seed), np.frombuffer(whole, np.uint8).copy()
        raw[rng.choice(len(raw), len(raw) // 4 if seed % 2 else 3, replace=False)] = rng.integers(0, 256)
        (adapter / "adapter_model.safetensors").write_bytes(raw[: len(raw) // 2 if seed > 15 else None].tobytes())
        said = "expected "
        try:
            file = open_weights(adapter, BASE)
            for name in file.names:
                file.tensor(name)
        except MalformedError as error:
            said = str(error)
        assert said.startswith("expected ")
        assert len(said) < 500
