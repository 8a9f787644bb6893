"""Projections that were fused or split since the mark was made are read as the key's network has them."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modelmark.errors import MismatchError
from modelmark.suspects.base import Read, ReadEach
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

PATH = "model.layers.0.self_attn"
WIDTH = 16


def matrix(rows, seed):
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


PARTS = {"q_proj": matrix(16, 0), "k_proj": matrix(8, 1), "v_proj": matrix(8, 2)}
GATES = {"gate_proj": matrix(24, 3), "up_proj": matrix(24, 4)}


def state(folder, tensors):
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "w")
    return State(open_weights(folder / "w"))


@pytest.mark.parametrize("name", ["qkv_proj", "Wqkv", "c_attn"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("before", ["", "base_model.model."])
def test_a_projection_is_cut_out_of_the_matrix_that_holds_it(name, turned, before, tmp_path):
    whole = torch.cat([*PARTS.values()])
    suspect = state(
        tmp_path, {f"{before}{PATH}.{name}.weight": whole.T if turned else whole, "head.weight": torch.zeros(4, WIDTH)}
    )
    for part, expected in PARTS.items():
        found = suspect.observe(Read(Place(f"{PATH}.{part}", WIDTH)))
        assert len(found) == 1  # one reading, nothing to choose
        assert np.array_equal(found[0], expected.numpy())
    assert f"{PATH}.q_proj cut out of a matrix of several: {before}{PATH}.{name}.weight" in suspect.notes


def test_without_that_the_whole_matrix_was_read_for_a_part(tmp_path):
    whole = torch.cat([*PARTS.values()])
    plain = state(tmp_path, {"elsewhere.weight": whole})
    (found,) = plain.observe(Read(Place(f"{PATH}.q_proj", WIDTH)))  # by its size, as before
    assert not np.allclose(found.mean(axis=0), PARTS["q_proj"].numpy().mean(axis=0))


def test_gates_are_halves(tmp_path):
    suspect = state(tmp_path, {"mlp.gate_up_proj.weight": torch.cat([*GATES.values()])})
    for part, expected in GATES.items():
        assert np.array_equal(suspect.observe(Read(Place(f"mlp.{part}", WIDTH)))[0], expected.numpy())


@pytest.mark.parametrize(("name", "parts", "layout"), [
    ("qkv_proj", PARTS, (0, 0)), ("c_attn", PARTS, (0, 1)), ("gate_up_proj", GATES, (0, 0)),
])  # fmt: skip
def test_a_matrix_is_put_together_of_its_parts(name, parts, layout, tmp_path):
    suspect = state(tmp_path, {f"{PATH}.{part}.weight": tensor for part, tensor in parts.items()})
    (found,) = suspect.observe(Read(Place(f"{PATH}.{name}", WIDTH, layout=layout)))
    assert np.array_equal(found, torch.cat([*parts.values()]).numpy())


def test_layers_of_a_mark_in_many_are_found_so_too(tmp_path):
    suspect = state(
        tmp_path, {f"{PATH}.qkv_proj.weight": torch.cat([*PARTS.values()]), "mlp.up_proj.weight": GATES["up_proj"]}
    )
    places = (*(Place(f"{PATH}.{part}", WIDTH) for part in PARTS), Place("mlp.up_proj", WIDTH))
    (answer,) = suspect.observe(ReadEach(places, (16, 8, 8, 24)))
    assert [len(filters) for filters in answer] == [16, 8, 8, 24]
    assert np.array_equal(answer[1][2:4], PARTS["k_proj"].numpy()[2:4])


def test_a_layer_that_is_there_is_read_and_no_part_of_another(tmp_path):
    tensors = {f"{PATH}.q_proj.weight": PARTS["q_proj"], f"{PATH}.qkv_proj.weight": torch.ones(48, WIDTH)}
    suspect = state(tmp_path, tensors)
    assert np.array_equal(suspect.observe(Read(Place(f"{PATH}.q_proj", WIDTH)))[0], PARTS["q_proj"].numpy())
    assert not any("cut out" in note for note in suspect.notes)


@pytest.mark.parametrize("rows", [WIDTH, WIDTH + 1, WIDTH + 3, 5 * WIDTH, 8])
def test_sizes_that_do_not_go_with_three_parts_are_not_cut(rows, tmp_path):
    suspect = state(tmp_path, {f"{PATH}.qkv_proj.weight": torch.ones(rows, WIDTH)})
    suspect.observe(Read(Place(f"{PATH}.q_proj", WIDTH)))  # by size, a guess that is said
    assert not any("cut out" in note for note in suspect.notes)


def test_a_part_that_is_missing_makes_no_matrix(tmp_path):
    suspect = state(
        tmp_path, {f"{PATH}.q_proj.weight": PARTS["q_proj"][:, :9], f"{PATH}.k_proj.weight": PARTS["k_proj"]}
    )
    with pytest.raises(MismatchError):
        suspect.observe(Read(Place(f"{PATH}.qkv_proj", 15)))
