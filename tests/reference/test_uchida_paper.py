"""Uchida et al. against closed forms: no data, no network, the regulariser alone (self-tests U11 of our notes)."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import CapacityWarning
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.schemes._regulariser import EmbeddingLoss
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.module import WhiteBox

INTERFACE = PictureFeed((64, 8, 8), tuple("0123456789"))
FULL_SCHEDULE = 782 * (59 * 1 + 60 * 0.2 + 40 * 0.04 + 41 * 0.008)
"""Sum over the paper's steps of lr / (1 - momentum): 57,030. Plain descent with large steps covers the same path."""


def layer() -> nn.Module:
    """The marked layer of WRN-10-4, conv2: M = 576, L = 64, and a head after it."""
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def embedded(scheme: Uchida, seed: int, *, decay: float = 0.0, step: float = 20.0, longest: float = 200.0):
    """Train the layer on the regulariser alone from zero weights; return the mark and the layer.

    Steps grow with the path behind them, from ``step`` to ``longest``: the loss flattens, and its curvature bounds them.
    """
    model = layer()
    mark = keygen(scheme, model, INTERFACE, secret=Secret(bytes([seed] * 32)), policy=KeyPolicy(self_check=True)).mark()
    weight = model[0].weight
    nn.init.zeros_(weight)
    regulariser = mark.hooks(model)
    optimizer = torch.optim.SGD([weight], lr=step, weight_decay=decay)
    behind = 0.0
    while behind < FULL_SCHEDULE:
        optimizer.param_groups[0]["lr"] = long = min(max(step, behind / 200), longest, FULL_SCHEDULE - behind)
        optimizer.zero_grad()
        regulariser.loss(torch.zeros(()), model, None, None, None).backward()
        optimizer.step()
        behind += long
    return mark, model


@pytest.fixture(scope="module")
def ordinary():
    """The mark of 256 bits and the layer that carries it."""
    return embedded(Uchida(layer="0", bits=256), 0)


def loss_per_bit(mark, model) -> float:
    margins = mark.margins(model).double()
    return float(nn.functional.softplus(-margins).mean())


@pytest.mark.parametrize(("projection", "expected"), [("direct", 0.1196), ("diff", 0.0603)])
def test_loss_without_decay(projection, expected):
    mark, model = embedded(Uchida(layer="0", bits=256, projection=projection, message="ones"), 0)
    assert loss_per_bit(mark, model) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("projection", ["direct", pytest.param("diff", marks=pytest.mark.slow)])
def test_the_loss_does_not_depend_on_the_message(projection):
    mark, model = embedded(Uchida(layer="0", bits=256, projection=projection), 0)
    assert loss_per_bit(mark, model) == pytest.approx({"direct": 0.1196, "diff": 0.0603}[projection], abs=0.001)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_random_loss_without_decay(seed, ordinary):
    mark, model = embedded(Uchida(layer="0", bits=256), seed) if seed else ordinary
    assert 2.9e-4 <= loss_per_bit(mark, model) <= 4.1e-4  # six keys of the notes: 3.1e-4 to 3.9e-4
    assert mark.evidence(WhiteBox(model)).matches == 256


@pytest.mark.parametrize(("projection", "expected"), [("direct", 0.623), ("diff", 0.567), ("random", 0.031)])
def test_loss_with_decay(projection, expected):
    mark, model = embedded(Uchida(layer="0", bits=256, projection=projection), 0, decay=5e-4)
    assert loss_per_bit(mark, model) == pytest.approx(expected, rel=0.04)


def test_capacity():
    within, model = embedded(Uchida(layer="0", bits=512), 0)
    assert within.evidence(WhiteBox(model)).matches == 512
    beyond = Uchida(layer="0", bits=1100)
    with pytest.warns(CapacityWarning, match="beyond M"):
        keygen(beyond, layer(), INTERFACE)


@pytest.mark.slow
def test_beyond_capacity_a_quarter_of_the_bits_is_wrong(monkeypatch):
    monkeypatch.setattr(Uchida, "_check_capacity", lambda self: None)  # 2,048 bits in M = 576 are refused otherwise
    mark, model = embedded(Uchida(layer="0", bits=2048), 0, step=10.0, longest=10.0)
    assert 0.2 < 1 - mark.evidence(WhiteBox(model)).matches / 2048 < 0.3


def test_a_wrong_key_reads_coins_on_the_marked_layer(ordinary):
    _, model = ordinary
    rates = [
        1 - keygen(Uchida(layer="0", bits=256), model, INTERFACE, secret=Secret(bytes([9, seed] * 16))).mark()
        .evidence(WhiteBox(model)).matches / 256
        for seed in range(8)
    ]  # fmt: skip
    assert all(abs(rate - 0.5) <= 4 * 0.5 / 16 for rate in rates)


def test_output_filters_may_be_permuted_input_channels_may_not(ordinary):
    mark, model = ordinary
    model = copy.deepcopy(model)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    weight = model[0].weight.data.clone()
    model[0].weight.data = weight[order]
    assert mark.evidence(WhiteBox(model)).matches == 256
    model[0].weight.data = weight[:, order]
    assert abs(mark.evidence(WhiteBox(model)).matches - 128) <= 32  # the known weakness


def test_gradient_is_the_closed_form():
    weight = (
        torch.randn(8, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        .float()
        .requires_grad_()
    )
    projection = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    message = torch.tensor([0.0, 1, 1, 0, 1])
    EmbeddingLoss.apply(weight, projection, message, 0.01).backward()
    mean = weight.detach().mean(0).flatten()
    expected = projection.T @ (torch.sigmoid(projection @ mean) - message) * 0.01 / 8  # no 1 / T
    assert torch.allclose(weight.grad, expected.view(3, 2, 2).expand_as(weight), atol=1e-7)
    copied = weight.detach().clone().requires_grad_()
    bits = nn.functional.binary_cross_entropy_with_logits(
        projection @ copied.mean(0).flatten(), message, reduction="sum"
    )
    (0.01 * bits).backward()
    assert torch.allclose(weight.grad, copied.grad, atol=1e-7)


def test_first_loss_is_the_sum_over_bits():
    model = layer()
    mark = keygen(Uchida(layer="0", bits=256), model, INTERFACE).mark()
    nn.init.zeros_(model[0].weight)
    first = mark.hooks(model).loss(torch.zeros(()), model, None, None, None).detach()
    assert float(first) == pytest.approx(0.01 * 256 * np.log(2), rel=1e-5)


def test_zero_projections_read_as_one():
    model = layer()
    mark = keygen(Uchida(layer="0", bits=256, projection="direct"), model, INTERFACE).mark()
    nn.init.zeros_(model[0].weight)
    (found,) = mark.read(WhiteBox(model)).scores
    assert found.symbols.tolist() == [1] * 256
