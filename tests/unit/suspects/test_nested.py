"""The state dict in a trainer's checkpoint is found, and what lies beside it is said."""

import argparse

import pytest
import torch
from torch import nn

from modelmark.errors import MalformedError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import fitted, open_weights


@pytest.fixture
def saved(tmp_path):
    def save(value):
        torch.save(value, tmp_path / "w")
        return open_weights(tmp_path / "w")

    return save


@pytest.fixture
def optimiser(network):
    adam = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 1, 4, 4)).sum().backward()
    adam.step()
    return adam.state_dict()


@pytest.mark.parametrize("name", ["state_dict", "model", "whatever"])
def test_one_state_dict_one_level_down_is_taken(name, saved, state, optimiser):
    file = saved(
        {"epoch": 3, name: state, "optimizer": optimiser, "best": torch.tensor(0.5), "rng": torch.get_rng_state()}
    )
    assert file.digest == weights.digest(state)
    assert file.notes == (f"taken: {name}", "left aside: epoch, optimizer, best, rng")


def test_it_is_found_two_levels_down_and_in_a_row(saved, state, optimiser):
    assert saved({"state": {"model": state}, "optim": {"state": optimiser}}).digest == weights.digest(state)
    assert saved([state, 3]).digest == weights.digest(state)


@pytest.mark.parametrize(
    ("beside", "taken"),
    [
        ("state_dict_ema", "state_dict"), ("model_ema", "model"), ("swa", "model"), ("teacher", "student"),
        ("best_model", "model"), ("params_ema", "params"), ("criterion", "model"), ("encoder", "state_dict"),
    ],
)  # fmt: skip
def test_copies_and_other_networks_are_left_aside(beside, taken, saved, state):
    other = {name: tensor + 1 for name, tensor in state.items()}
    file = saved({beside: other, taken: state})
    assert file.digest == weights.digest(state)
    assert file.notes == (f"taken: {taken}", f"left aside: {beside}")
    assert saved({beside: other}).digest == weights.digest(other)


def test_several_without_a_usual_name_are_all_there_under_their_place(saved, state, shapes):
    file = saved({"generator": state, "discriminator": nn.Linear(3, 3).state_dict()})
    assert "generator.0.weight" in file.names
    fit = fitted(file, shapes)
    assert fit.missing == ()
    assert fit.left_aside == ("discriminator.bias", "discriminator.weight")


def test_a_flat_state_dict_with_more_in_it_is_taken_as_it_is(saved, state):
    file = saved({**state, "fp8._extra_state": {"scale": torch.zeros(2)}, "note": "x"})
    assert file.names == sorted(state)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_is_no_plain_tensor_is_named(saved):
    file = saved({
        "w": torch.zeros(2),
        "sparse": torch.eye(3).to_sparse(),
        "q": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8),
        "meta": torch.zeros(2, device="meta"),
        "expanded": torch.zeros(1).expand(1000),
    })  # fmt: skip
    assert file.names == ["q", "w"]
    assert {name: why.split()[0] for name, why in file.unreadable.items()} == {
        "sparse": "sparse_coo;", "meta": "on", "expanded": "expanded",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.ao.quantization", "ignore:torch.quantize_per_tensor")
def test_the_quantised_are_read_as_the_numbers_they_stand_for(saved, network, shapes):
    quantised = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    file = saved(quantised.state_dict())
    fit = fitted(file, shapes)
    assert (fit.missing, fit.left_aside) == ((), ("3.scale", "3.zero_point"))
    assert torch.equal(torching.tensor(fit.state["3.weight"]), quantised[3].weight().dequantize())
    assert torch.equal(torching.tensor(fit.state["3.bias"]), network[3].bias)
    assert "dequantised: 1 tensor, such as 3.weight" in file.notes
    assert file.digest == weights.digest({name: torching.tensor(file.tensor(name)) for name in file.names})


def test_arguments_of_a_trainer_are_refused_by_name(tmp_path, state):
    torch.save({"model": state, "args": argparse.Namespace(lr=0.1)}, tmp_path / "w")
    with pytest.raises(MalformedError, match=r"got argparse\.Namespace beside them"):
        open_weights(tmp_path / "w")
