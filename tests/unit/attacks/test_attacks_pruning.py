"""Attacks that cut: the share they cut, and what is left of the marks. The thief has all of the owner's data."""

import copy

import pytest
import torch
from torch import nn

from modelmark.attacks.pruning.clp import Clp, bound
from modelmark.attacks.pruning.fine_prune import FinePrune, cut_layer, mean_activity
from modelmark.attacks.pruning.prune_channels import PruneChannels
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.networks import layers
from modelmark.suspects.module import WhiteBox, logits
from modelmark.training.task import accuracy


def established(mark, model):
    return mark.evidence(WhiteBox(model)).established


def test_fine_pruning_cuts_the_idle_channels_and_keeps_them_cut(stolen, digits):
    _, model = stolen("adi")
    path = cut_layer(model)
    few = digits.subset(240, seed=0)
    attacked = FinePrune(0.5)(model, few, seed=0)
    dead = (layers.weight(attacked, path).flatten(1) == 0).all(dim=1)
    activity = mean_activity(model, path, few)
    assert int(dead.sum()) == len(activity) // 2
    assert activity[dead].max() <= activity[~dead].min()


def test_clp_cuts_the_channels_that_stand_out(stolen, digits):
    _, model = stolen("adi")
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.conv1.weight[3] *= 20
    attacked = Clp(3.0)(model, digits, seed=0)
    bounds = bound(model.conv1.weight, None)
    cut = (attacked.conv1.weight == 0).flatten(1).all(dim=1)
    assert torch.equal(cut, bounds > bounds.mean() + 3 * bounds.std())
    assert cut[3]


def test_clp_counts_the_norm_that_follows(digits):
    model = build("resnet8", digits.feed.input_shape, 10, seed=0).eval()
    with torch.no_grad():
        model.conv1.bn.weight[2] = 100.0
    attacked = Clp(3.0)(model, digits, seed=0)
    assert attacked.conv1.bn.weight[2] == attacked.conv1.bn.bias[2] == 0


def test_clp_passes_by_norms_without_factors_and_layers_of_one_channel(digits):
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1, affine=False), nn.Flatten(), nn.Linear(36, 10)).eval()
    assert torch.equal(Clp(1.0)(model, digits, seed=0)[0].weight, model[0].weight)


def test_fine_pruning_needs_a_hidden_layer(digits):
    with pytest.raises(UsageError, match="expected a hidden layer"):
        FinePrune()(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, seed=0)


def test_clp_removes_nothing_here_before_the_model_is_ruined(stolen, digits):
    """Lipschitz bounds single out a backdoor with one trigger pattern; a hundred memorised pictures stand out nowhere."""
    mark, model = stolen("adi")
    for settings in Clp.strengths:
        attacked = Clp(**settings)(model, digits, seed=0)
        lost = accuracy(model, digits) - accuracy(attacked, digits)
        assert established(mark, attacked) or lost > 0.05
    assert lost > 0.05, "the sweep ends before the model is ruined"


def test_structured_pruning_leaves_a_smaller_network_and_no_triggers(stolen, digits):
    pytest.importorskip("torch_pruning", reason="needs the extra 'attacks'")
    mark, model = stolen("adi")
    attacked = PruneChannels(0.5)(model, digits, seed=0)
    kept = [sum(p.numel() for p in network.parameters()) for network in (model, attacked)]
    assert kept[1] < 0.4 * kept[0]
    assert attacked.conv1.out_channels == model.conv1.out_channels // 2
    assert not established(mark, attacked)
    assert accuracy(model, digits) - accuracy(attacked, digits) <= 0.05


@pytest.mark.parametrize(("name", "amount", "survives"), [
    ("uchida", 0.5, True),
    pytest.param("uchida", 0.7, False, marks=pytest.mark.slow),
    pytest.param("deepsigns", 0.1, True, marks=pytest.mark.slow),
    pytest.param("deepsigns", 0.5, False, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_smaller_network_has_no_place_for_bits_unless_aligned(name, amount, survives, stolen, unmarked, digits):
    pytest.importorskip("torch_pruning", reason="needs the extra 'attacks'")
    mark, model = stolen(name)
    attacked = PruneChannels(amount)(model, digits, seed=0)
    with pytest.raises(MismatchError, match=r"expected the .* layer"):
        mark.evidence(WhiteBox(attacked))
    assert mark.evidence(WhiteBox(attacked), align_to=unmarked).established == survives
    assert accuracy(model, digits) - accuracy(attacked, digits) <= 0.05


def test_channels_that_shortcuts_share_go_together(digits):
    pytest.importorskip("torch_pruning", reason="needs the extra 'attacks'")
    model = build("resnet8", digits.feed.input_shape, 10, seed=0).eval()
    attacked = PruneChannels(0.5, epochs=1)(model, digits.subset(128, seed=0), seed=0)
    widths = [
        unit.conv.out_channels for unit in (attacked.conv1, attacked.res1.unit2, attacked.conv2, attacked.res2.unit2)
    ]
    assert widths == [24, 24, 32, 32]
    assert logits(attacked, Normalise(digits.feed)(digits.test_inputs[:3])).shape == (3, 10)
