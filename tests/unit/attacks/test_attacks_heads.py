"""What is done to a last layer that may hold a field, and to the network under it."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from counting import Asked
from modelmark.attacks._tools.augment import moved
from modelmark.attacks._tools.heads import add, head_of, whitening
from modelmark.attacks.extraction._answers import agreement, labels, scores
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.tuning.refit_head import RefitHead, regressed
from modelmark.attacks.tuning.self_distil import SelfDistil
from modelmark.attacks.weights.own_field import OwnField
from modelmark.attacks.weights.trim_head import TrimHead
from modelmark.errors import UsageError
from modelmark.training.task import accuracy


@pytest.fixture(scope="module")
def thief(digits):
    return digits.subset(240, seed=0)


def fielded(model, task, eps, seed=7):
    """A copy of a model with a field by an edit of the last layer, its signs ``(classes, K)``, and the unmarked one's place."""
    marked = copy.deepcopy(model)
    head = head_of(marked, task)
    whitened = whitening(head.features, 64)
    shape = (head.layer.out_features, len(whitened.axes))
    signs = 2.0 * torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).double() - 1
    add(head.layer, whitened, eps / shape[1] ** 0.5 * signs)
    return marked, signs, whitened


def carried(model, host, task, signs, whitened):
    """How much of a field is in the scores of ``model`` beyond those of its host: 0 none, eps all of it."""
    u = whitened.of(head_of(host, task).features)
    more = scores(model, task.train_inputs, task).double() - scores(host, task.train_inputs, task).double()
    return float((more * (u @ signs.T) / signs.shape[1] ** 0.5).mean())


def test_whitened_directions_have_unit_size_and_lead_back(unmarked, digits):
    head = head_of(unmarked, digits)
    whitened = whitening(head.features, 24)
    u = whitened.of(head.features)
    torch.testing.assert_close(u.T @ u / len(u), torch.eye(24, dtype=torch.float64), rtol=0, atol=1e-6)
    flat = whitening(torch.ones(5, 3, dtype=torch.float64), 3)
    assert flat.axes.shape == (1, 3)  # nothing varies, one direction stands in


def test_an_own_field_is_noise_of_the_size_it_says(unmarked, digits):
    model = OwnField(eps=0.5)(unmarked, digits, seed=5)
    more = (scores(model, digits.train_inputs, digits) - scores(unmarked, digits.train_inputs, digits)).double()
    assert more.mean(0).abs().max() < 1e-3
    assert (more.std(0) - 0.5).abs().max() < 0.1  # each score by itself; directions are uncorrelated
    moved_ = {name for name, value in model.state_dict().items() if not torch.equal(value, unmarked.state_dict()[name])}
    assert moved_ == {"head.weight", "head.bias"}
    assert accuracy(unmarked, digits) - accuracy(model, digits) <= 0.02
    other = OwnField(eps=0.5)(unmarked, digits, seed=6)
    assert not torch.equal(model.head.weight, other.head.weight)


def test_an_own_field_leaves_a_field_as_it_was(unmarked, digits):
    """It adds noise and subtracts nothing."""
    marked, signs, whitened = fielded(unmarked, digits, 0.5)
    before = carried(marked, unmarked, digits, signs, whitened)
    assert before == pytest.approx(0.5, abs=0.02)
    after = carried(OwnField(eps=0.5)(marked, digits, seed=5), unmarked, digits, signs, whitened)
    assert after == pytest.approx(0.5, abs=0.1)


def test_a_last_layer_fitted_to_own_labels_has_no_field_and_retraining_it_gently_has(unmarked, digits):
    marked, signs, whitened = fielded(unmarked, digits, 0.5)
    refitted = RefitHead()(marked, digits, seed=0)
    host = RefitHead()(unmarked, digits, seed=0)
    torch.testing.assert_close(refitted.head.weight, host.head.weight, rtol=0, atol=1e-4)  # whatever the old one was
    assert accuracy(unmarked, digits) - accuracy(refitted, digits) <= 0.02
    gentle = FineTune(form="ftll", rate=0.001)
    tuned, other = (gentle(model, digits, seed=0) for model in (marked, unmarked))
    assert carried(tuned, other, digits, signs, whitened) > 0.3


def test_a_last_layer_can_be_fitted_to_the_stolen_answers_averaged_or_as_they_are(unmarked, digits):
    """Nine answers a picture, those of it moved by up to one pixel; nobody's labels take part."""
    blind = replace(digits, train_targets=torch.zeros_like(digits.train_targets))
    for targets in ("answers", "averaged"):
        refitted = RefitHead(targets=targets)(unmarked, blind, seed=0)
        assert (
            agreement(unmarked, refitted, digits) >= {"answers": 0.97, "averaged": 0.75}[targets]
        )  # a pixel is much of eight
        for name in ("conv1.weight", "conv3.weight", "fc1.weight"):
            assert torch.equal(refitted.get_parameter(name), unmarked.get_parameter(name))
    stolen = Asked(unmarked)
    found = RefitHead(targets="averaged")._said(stolen, digits)
    assert stolen.count == [9 * len(digits.train_inputs)]
    parts = [
        scores(unmarked, moved(digits.train_inputs[:1], torch.tensor([down]), torch.tensor([right])), digits).softmax(1)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    torch.testing.assert_close(found[:1], torch.stack(parts).mean(0))


def test_fewer_directions_give_scores_of_lower_rank(unmarked, digits):
    low = RefitHead(keep=3 / unmarked.head.in_features)(unmarked, digits, seed=0)
    assert torch.linalg.matrix_rank(low.head.weight.double(), rtol=1e-4) == 3


def test_regression_finds_the_optimum():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 5, generator=generator).double()
    wanted = (points @ torch.randn(5, 3, generator=generator).double()).softmax(1)
    weights, bias = regressed(points, wanted, 0.01)
    weights.requires_grad_(True)
    bias.requires_grad_(True)
    loss = cross_entropy(points @ weights.T + bias, wanted) + 0.005 * weights.square().sum()
    for slope in torch.autograd.grad(loss, (weights, bias)):
        assert slope.abs().max() < 1e-5


def test_a_trimmed_head_keeps_the_share_it_says_and_means(unmarked, digits):
    model = TrimHead(keep=0.3)(unmarked, digits, seed=0)
    head = head_of(unmarked, digits)
    whitened = whitening(head.features, head.layer.in_features)
    left, was = (
        (net.head.weight.detach().double() @ torch.linalg.pinv(whitened.axes)).abs() for net in (model, unmarked)
    )
    assert (left > 1e-4).float().mean() == pytest.approx(0.3, abs=0.01)
    assert was[left <= 1e-4].max() <= was[left > 1e-4].min() + 1e-6
    for net in (model, unmarked):
        torch.testing.assert_close(
            scores(net, digits.train_inputs, digits).mean(0), scores(unmarked, digits.train_inputs, digits).mean(0),
            rtol=0, atol=1e-3,
        )  # fmt: skip
    assert accuracy(unmarked, digits) - accuracy(model, digits) <= 0.02


def test_self_distillation_moves_all_weights_and_few_answers(unmarked, thief):
    gentle = SelfDistil(rate=0.01, alpha=1.0)(unmarked, thief, seed=3)
    assert not torch.equal(gentle.head.weight, unmarked.head.weight)
    assert agreement(unmarked, gentle, thief) >= 0.97
    wrong = replace(thief, train_targets=torch.full_like(thief.train_targets, 4))
    assert (labels(SelfDistil(alpha=0.0, rate=0.05)(unmarked, wrong, seed=3), thief.train_inputs, thief) == 4).all()


def test_heads_that_are_not_linear_or_see_more_than_one_vector_are_refused(digits):
    convolution = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())
    for attack in (OwnField(), RefitHead(), TrimHead()):
        with pytest.raises(UsageError, match="last layer is linear"):
            attack(convolution, digits, seed=0)

    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 10)

        def forward(self, x):
            return self.head(x[:, 0]).mean(dim=1)

    with pytest.raises(UsageError, match="one vector an input"):
        OwnField()(Rows(), digits, seed=0)
