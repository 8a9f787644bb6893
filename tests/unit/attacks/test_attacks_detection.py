"""What detectors without a key see: published for Uchida, measured here for the others."""

import math

import pytest
import torch
from torch import nn

from modelmark.attacks.detection._odd import FAMILIES, made
from modelmark.attacks.detection.activation_statistics import ActivationStatistics
from modelmark.attacks.detection.query_statistics import QueryStatistics
from modelmark.attacks.detection.weight_statistics import WeightStatistics, statistics
from modelmark.errors import UsageError
from modelmark.models import build
from modelmark.training.loop import fit
from modelmark.training.recipe import constant


@pytest.fixture(scope="module")
def trained_on(unmarked, digits):
    """The unmarked network, trained some more: marked ones were, too."""
    return fit(unmarked, digits, constant(4, 0.01, batch=64), seed=7)


@pytest.mark.parametrize("by", ["mean-filter", "spread"])
def test_weight_statistics_find_uchida_and_its_layer(by, unmarked, trained_on, stolen, digits):
    mark, model = stolen("uchida")
    detect = WeightStatistics(by)
    found = detect(model, digits, seed=0)
    layer = mark.key.scheme.layer
    assert (found.marked, found.where) == (True, layer) if by == "mean-filter" else found.where == layer
    for other in (unmarked, trained_on):
        clean = detect(other, digits, seed=0)
        assert not clean.marked
        assert clean.length == 0
        assert clean.score < found.score - 0.5
    if by == "mean-filter":
        assert 128 <= found.length <= 384  # of 256 bits, with the reach that this recipe gives


def test_statistics_are_those_of_independent_filters_on_noise():
    noise = nn.Sequential(nn.Linear(400, 300), nn.Linear(300, 300), nn.Linear(300, 2))
    with torch.no_grad():
        for layer in noise:
            layer.weight.normal_(0, 2, generator=torch.Generator().manual_seed(0))
    for numbers in statistics(noise).values():
        assert numbers.excess == pytest.approx(1, abs=0.25)
        assert numbers.kurtosis == pytest.approx(0, abs=0.1)
    with torch.no_grad():
        noise[1].weight += 2 * torch.randint(0, 2, (300,), generator=torch.Generator().manual_seed(1)) - 1
    found = statistics(noise)["1"]
    assert found.excess == pytest.approx(1 + 300 * 1 / 5, rel=0.1)
    assert found.flatness < -1.5  # two peaks
    assert found.energy == pytest.approx(300, rel=0.1)


@pytest.mark.slow
def test_activation_statistics_find_deepsigns(unmarked, trained_on, stolen, digits):
    detect = ActivationStatistics()
    found = detect(stolen("deepsigns")[1], digits, seed=0)
    assert found.marked
    for other in (unmarked, trained_on):
        clean = detect(other, digits, seed=0)
        assert not clean.marked
        assert clean.score < found.score - 1.5


def test_activation_scatter_is_what_it_says(unmarked, digits):
    found = ActivationStatistics(layer="conv1", samples=200)(unmarked, digits, seed=0)  # the pictures themselves
    inputs = digits.train_inputs[:200].double().flatten(1) / 255
    labels = digits.train_targets[:200]
    means = torch.stack([inputs[labels == c].mean(dim=0) for c in range(10)])
    within = torch.stack([(inputs[labels == c] - means[c]).square().sum(dim=1).mean() for c in range(10)])
    between = (means - means.mean(dim=0)).square().sum(dim=1).mean()
    assert found.score == pytest.approx(math.log(between / within.mean()), abs=0.05)
    assert found.where == str(int(within.argmin()))


@pytest.mark.slow
def test_fused_queries_rank_coupled_above_unmarked_networks(unmarked, trained_on, stolen, digits):
    detect = QueryStatistics("fused")
    found = detect(stolen("coupled")[1], digits, seed=0)
    assert found.score > max(detect(other, digits, seed=0).score for other in (unmarked, trained_on)) + 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_inputs(family, digits):
    first, again = (made(family, 20, digits, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (20, 1, 8, 8)
    far = first.abs().flatten(1).amax(dim=1) > 5
    assert far.all() if family == "extreme" else not far.any()
    if family == "extreme":
        assert ((first.abs() > 5).flatten(1).sum(dim=1) == 9).all()


def test_a_network_of_one_layer_has_nothing_to_compare(digits):
    with pytest.raises(UsageError, match="expected at least two layers"):
        WeightStatistics()(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, seed=0)
    flat = build("mlp", digits.feed.input_shape, 10, seed=0)
    assert WeightStatistics()(flat, digits, seed=0).score > 0
