"""Layers by state-dict path, under wrappers too, and the head put back."""

import pytest
import torch
from torch import nn

from modelmark.errors import MismatchError, UsageError
from modelmark.networks import layers


@pytest.fixture
def net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 4, 5)), nn.Flatten(), nn.Linear(16, 10)
    )


def test_layers_come_in_order_with_their_widths(net):
    assert [(layer.path, layer.width, layer.filters) for layer in layers.markable(net)] == [
        ("0", 27, 8),
        ("2.0", 200, 4),
        ("4", 16, 10),
    ]
    assert layers.head(net) == "4"


@pytest.mark.parametrize("path", ["2.0", "2.0.weight"])
def test_a_layer_is_found_by_its_state_dict_path(path, net):
    assert layers.find(net, path).kernel == (8, 5, 5)


@pytest.mark.parametrize("path", ["2.1", "1", "4.bias", ""])
def test_other_paths_are_refused_with_near_names(path, net):
    with pytest.raises(UsageError, match="expected a linear or convolution layer") as caught:
        layers.find(net, path)
    assert caught.value.hint


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # raised by importing torch.compile itself
def test_paths_stay_the_same_under_wrappers(net):
    for wrapped in (nn.DataParallel(net), torch.compile(net)):
        assert layers.weight(wrapped, "2.0") is net[2][0].weight
        assert layers.head(wrapped) == "4"


def test_a_missing_weight_is_a_mismatch(net):
    with pytest.raises(MismatchError):
        layers.weight(net, "nowhere")


def test_the_head_is_put_back_into_a_copy(net):
    donor = {name: torch.full_like(value, 7.0) for name, value in net.state_dict().items()}
    before = net[4].weight.clone()
    changed = layers.with_head(net, donor)
    assert torch.equal(changed[4].weight, donor["4.weight"])
    assert torch.equal(changed[4].bias, donor["4.bias"])
    assert torch.equal(changed[0].weight, net[0].weight)
    assert torch.equal(net[4].weight, before)
    donor.pop("4.bias")
    with pytest.raises(MismatchError, match=r"4\.bias"):
        layers.with_head(net, donor)


def test_a_model_without_layers_is_refused():
    with pytest.raises(UsageError):
        layers.head(nn.Sequential(nn.ReLU()))
