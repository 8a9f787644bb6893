"""Names in a file are mapped to a network's under all that wrappers, trainers and factors put around them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from modelmark.errors import MismatchError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import fitted, held, open_weights, weight_of


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def within(part, state):
    return {name.replace(".", f".{part}.", 1): tensor for name, tensor in state.items()}


WRAPPED = {
    "DataParallel": lambda state: under("module.", state),
    "compile": lambda state: under("_orig_mod.", state),
    "compile of DDP": lambda state: under("_orig_mod.module.", state),
    "compile of a part": lambda state: within("_orig_mod", state),
    "FSDP": lambda state: within("_fsdp_wrapped_module", under("_fsdp_wrapped_module.", state)),
    "checkpointing": lambda state: within("_checkpoint_wrapped_module", state),
    "Lightning": lambda state: under("model.", state),
    "Fabric": lambda state: under("_forward_module.", state),
    "twice": lambda state: under("net.module.net.", state),
    "peft": lambda state: within("base_layer", under("base_model.model.", state)),
    "a part of more": lambda state: under("backbone.", state) | under("head.", nn.Linear(5, 5).state_dict()),
    "Opacus": lambda state: under("_module.", state),
    "averaged": lambda state: under("module.", state) | {"n_averaged": torch.tensor(3)},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_are_undone_on_either_side(wrapper, state, shapes):
    wrapped = WRAPPED[wrapper](state)
    fit = fitted(held(wrapped), shapes)
    assert (fit.missing, fit.unfit) == ((), {})
    assert all(torch.equal(torching.tensor(fit.state[name]), state[name]) for name in state)
    beside = {"averaged": ("n_averaged",), "a part of more": ("head.bias", "head.weight")}
    assert fit.left_aside == beside.get(wrapper, ())
    back = fitted(held(state), {name: tuple(tensor.shape) for name, tensor in wrapped.items()})
    assert set(back.names.values()) == set(state)
    assert torch.equal(torching.tensor(weight_of(held(wrapped), "3")), state["3.weight"])


def test_names_as_they_are_need_nothing_said(state, shapes):
    fit = fitted(held(state), shapes)
    assert (fit.missing, fit.left_aside, fit.unfit, fit.notes) == ((), (), {}, ())


def test_a_layer_that_is_called_module_is_no_wrapper():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.module, self.fc = nn.Linear(2, 3), nn.Linear(3, 2)

    state = Own().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for given in (state, under("module.", state), under("_orig_mod.", state)):
        fit = fitted(held(given), shapes)
        assert fit.missing == ()
        assert torch.equal(torching.tensor(fit.state["module.weight"]), state["module.weight"])


def test_two_networks_of_one_shape_are_not_guessed_between(state, shapes):
    both = under("student.", state) | under("teacher.", state)
    with pytest.raises(MismatchError, match=r"got several: under 'student\.' and under 'teacher\.'") as caught:
        fitted(held(both), shapes)
    assert "alone" in caught.value.hint
    with pytest.raises(MismatchError, match=r"got student\.3\.weight and teacher\.3\.weight"):
        weight_of(held(both), "3")
    plain = fitted(held(both | state), shapes)
    assert plain.state["0.weight"] is not None
    assert plain.words == "names as they are"


def test_a_place_where_all_fits_is_taken_before_one_where_less_does(state, shapes):
    other = {name: torch.zeros(1, *tensor.shape) for name, tensor in state.items()}
    fit = fitted(held(under("a.", other) | under("b.", state)), shapes)
    assert torch.equal(torching.tensor(fit.state["0.weight"]), state["0.weight"])


def test_blocks_of_one_shape_are_not_taken_for_one_another():
    blocks = nn.ModuleDict({f"block{number}": nn.Sequential(nn.Linear(4, 4)) for number in range(3)})
    state = blocks.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    del state["block1.0.weight"]
    for given in (state, under("module.", state), under("model.", state)):
        fit = fitted(held(given), shapes)
        assert fit.missing == ("block1.0.weight",)
        assert torch.equal(torching.tensor(fit.state["block2.0.weight"]), state["block2.0.weight"])


def test_another_head_and_missing_counters_are_said(state, shapes):
    del state["1.num_batches_tracked"]
    state |= nn.ModuleDict({"3": nn.Linear(16, 7)}).state_dict()
    for given in (state, under("module.", state)):
        fit = fitted(held(given), shapes)
        assert fit.unfit == {"3.weight": ((10, 16), (7, 16)), "3.bias": ((10,), (7,))}
        assert (fit.missing, fit.lacks, fit.left_aside) == (("1.num_batches_tracked",), (), ())
        assert set(fit.state) == {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}
        assert fit.any_shape["3.weight"].shape == (7, 16)
        assert "1.num_batches_tracked not there and not needed" in fit.notes


def test_a_copy_with_counters_is_not_taken_before_the_plain_names(state, shapes):
    copied = {f"ema.{name}": tensor + 1 for name, tensor in state.items()}
    del state["1.num_batches_tracked"]
    fit = fitted(held(copied | state), shapes)
    assert fit.words == "names as they are"
    assert torch.equal(torching.tensor(fit.state["3.weight"]), state["3.weight"])


def test_nothing_that_fits_is_nothing(shapes):
    fit = fitted(held({"x": torch.zeros(2)}), shapes)
    assert (fit.names, set(fit.missing), fit.left_aside) == ({}, set(shapes), ("x",))


# Factors


@pytest.mark.parametrize(
    "change",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.spectral_norm,
        lambda layer: prune.random_unstructured(layer, "weight", 0.4),
        lambda layer: nn.utils.parametrizations.weight_norm(layer, dim=1),
        lambda layer: nn.utils.parametrizations.weight_norm(layer, dim=None),
    ],
    ids=["weight_norm", "spectral_norm", "old spectral_norm", "prune", "weight_norm dim=1", "weight_norm dim=None"],
)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: under("module.", state)], ids=["plain", "wrapped"])
@pytest.mark.parametrize("layer", [0, 3])
def test_weights_that_are_stored_as_factors_are_multiplied(layer, wrap, change, network, shapes):
    change(network[layer])
    network.train()
    network(torch.randn(4, 1, 4, 4))
    network.eval()
    network(torch.randn(4, 1, 4, 4))
    file = held(wrap(network.state_dict()))
    fit = fitted(file, shapes)
    assert (fit.missing, fit.left_aside, fit.unfit) == ((), (), {})
    torch.testing.assert_close(torching.tensor(fit.state[f"{layer}.weight"]), network[layer].weight.detach())
    torch.testing.assert_close(torching.tensor(weight_of(file, str(layer))), network[layer].weight.detach())
    assert any(line.startswith("undone: ") for line in fit.notes)
    if not any("module" in name for name in file.shapes):
        own = fitted(file, file.shapes)
        assert (own.missing, own.left_aside, own.notes) == ((), (), ())


def test_old_weight_norm_and_transposed_convolutions(recwarn):
    layer = nn.utils.weight_norm(nn.ConvTranspose2d(4, 4, 3))
    file = held(nn.Sequential(layer).state_dict())
    torch.testing.assert_close(torching.tensor(weight_of(file, "0")), layer.weight.detach())
    for change in (nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm):
        layer = change(nn.ConvTranspose2d(4, 4, 3)).train()
        for _ in range(30):
            layer(torch.randn(1, 4, 5, 5))
        layer.eval()
        layer(torch.randn(1, 4, 5, 5))
        torch.testing.assert_close(
            torching.tensor(weight_of(held(nn.Sequential(layer).state_dict()), "0")), layer.weight.detach()
        )


def test_other_parametrisations_are_named_and_not_multiplied(network, shapes):
    nn.utils.parametrizations.orthogonal(network[3])
    fit = fitted(held(network.state_dict()), shapes)
    assert "3.weight" in fit.lacks
    with pytest.raises(MismatchError, match="computed from others by a parametrisation"):
        weight_of(held(network.state_dict()), "3")


# One layer


def test_one_layer_is_found_by_its_path_under_all_of_it(state):
    file = held(under("module.backbone.", state) | under("module.backbone.more.", state))
    assert torch.equal(torching.tensor(weight_of(file, "0")), state["0.weight"])
    assert torch.equal(torching.tensor(weight_of(file, "model.0.weight")), state["0.weight"])
    assert torch.equal(torching.tensor(weight_of(held(state), "net.3")), state["3.weight"])
    with pytest.raises(MismatchError, match="expected the layer 5 in state dict, found none of that name"):
        weight_of(held(state), "5")
    with pytest.raises(MismatchError, match="found none"):
        weight_of(held(state), "3", (7, 16))
    packed = held({"3.qweight": torch.zeros(2, 10, dtype=torch.int32)})
    with pytest.raises(MismatchError, match="GPTQ or AWQ") as caught:
        weight_of(packed, "3")
    assert "dequantise" in caught.value.hint


# Into and out of models


def test_saving_undoes_wrappers(network, state, tmp_path):
    parts = copy.deepcopy(network)
    parts[0] = torch.compile(parts[0], backend="eager")
    wrapped = {
        "parallel": nn.DataParallel(network),
        "compiled": torch.compile(network, backend="eager"),
        "both": torch.compile(nn.DataParallel(network), backend="eager"),
        "parts": parts,
    }
    for name, model in wrapped.items():
        weights.save(model, tmp_path / name)
        file = open_weights(tmp_path / name)
        assert file.names == sorted(state)
        assert file.digest == weights.digest(state)


def test_applying_tolerates_what_no_reading_needs(network, state):
    del state["1.num_batches_tracked"]
    fresh = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 10))
    fit = weights.apply(fresh, under("module.", state) | {"epoch": torch.tensor(3)}, what="w")
    assert all(torch.equal(fresh.state_dict()[name], state[name]) for name in state)
    assert fit.left_aside == ("epoch",)
    weights.apply(nn.DataParallel(fresh), state, what="w")
    with pytest.raises(MismatchError, match=r"expected w for this architecture \(9 tensors\), got no 3.bias"):
        weights.apply(fresh, {name: tensor for name, tensor in state.items() if name != "3.bias"}, what="w")
    with pytest.raises(MismatchError, match=r"expected w with 3.bias of shape \(10,\), got \(7,\)"):
        weights.apply(fresh, state | {"3.bias": torch.zeros(7)}, what="w")


def test_of_tied_weights_one_is_enough():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)})
    model["head"].weight = model["embed"].weight
    given = torch.randn(5, 3)
    for name in ("embed.weight", "head.weight"):
        model["embed"].weight.data.zero_()
        weights.apply(model, {name: given}, what="w")
        assert torch.equal(model["head"].weight, given)
    apart = nn.ModuleDict({"embed": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)})
    with pytest.raises(MismatchError, match=r"got no head\.weight"):
        weights.apply(apart, {"embed.weight": given}, what="w")


def test_a_complex_buffer_stops_nothing(network, state, tmp_path):
    network.register_buffer("spectrum", torch.ones(3, dtype=torch.complex64))
    weights.save(network, tmp_path / "w")
    weights.apply(network, open_weights(tmp_path / "w"), what="w")
    with pytest.raises(MismatchError, match=r"with 3.bias of type torch.float32, got torch.complex64"):
        weights.apply(network, network.state_dict() | {"3.bias": torch.zeros(10, dtype=torch.complex64)}, what="w")


def test_a_tensor_without_a_name_is_no_layer():
    with pytest.raises(MismatchError, match="found none of that name"):
        weight_of(held({"": torch.zeros(3, 3)}), "fc")
