"""A tap records what a layer receives and leaves no trace in the model or its copies."""

import copy
import gc
import pickle

import pytest
import torch
from torch import nn

from modelmark.errors import MismatchError
from modelmark.networks.taps import Tap, activations


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2))


def test_activations_are_what_the_layer_receives_in_evaluation_mode(net):
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    net.train()
    found = activations(net, "3", x, batch=256)
    assert net.training
    net.eval()
    assert torch.equal(found, net[1](net[0](x)).detach())


def test_a_tap_keeps_the_gradient_and_is_read_once(net):
    tap = Tap(net, "3")
    net.eval()(torch.ones(1, 4)).sum().backward()
    net(torch.ones(2, 4))
    assert tap.take().requires_grad
    with pytest.raises(MismatchError, match="forward pass"):
        tap.take()


def test_a_look_on_the_way_does_not_take_the_place_of_the_step(net):
    """Two marks of one layer train together, and the first looks at the inputs of its own key before the second reads."""
    net.eval()
    tap, x = Tap(net, "3"), torch.ones(2, 4)
    net(x)
    activations(net, "3", torch.zeros(5, 4))
    assert torch.equal(tap.take(), net[1](net[0](x)))


def test_a_tap_goes_with_its_last_reference(net):
    tap = Tap(net, "3")
    assert len(net[3]._forward_pre_hooks) == 1
    del tap
    gc.collect()
    assert len(net[3]._forward_pre_hooks) == 0


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deep", "pickled"]
)
def test_copies_of_a_tapped_model_record_nothing(net, copied):
    tap = Tap(net, "3")
    copied(net)(torch.ones(1, 4))
    with pytest.raises(MismatchError):
        tap.take()
    net(torch.ones(1, 4))
    assert tap.take().shape == (1, 3)


def test_an_unknown_layer_is_refused(net):
    with pytest.raises(MismatchError, match="none of that name"):
        Tap(net, "head")
