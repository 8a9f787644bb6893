"""Attacks that train further: each does what it says, and what it takes to remove a trigger mark from the digits network.

The thief has all of the owner's data, his best case.
"""

import contextlib

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.augment import Holes
from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.perturb import Adversarial
from modelmark.attacks.tuning.adversarial import AdversarialTraining
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.tuning.label_noise import LabelNoise
from modelmark.attacks.tuning.label_smoothing import LabelSmoothing
from modelmark.attacks.tuning.lora import Lora
from modelmark.attacks.tuning.regularise import Regularise
from modelmark.errors import DivergedError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.suspects.module import WhiteBox, logits
from modelmark.training.task import accuracy


def left(attack, stolen, task, scheme="adi"):
    """Return whether the mark is still established after the attack, and the accuracy lost."""
    mark, model = stolen(scheme)
    attacked = attack(model, task, seed=0)
    return mark.evidence(WhiteBox(attacked)).established, accuracy(model, task) - accuracy(attacked, task)


def test_low_rank_tuning_removes_nothing_here_before_the_model_is_ruined(stolen, digits):
    """The fiercest ruins it; a fifth of that rate is among the outcomes of the conformance tests."""
    with contextlib.suppress(DivergedError):
        assert left(Lora(64, 5.0, 5), stolen, digits.subset(480, seed=0))[1] > 0.05


def test_a_thief_with_little_data_uses_no_more_of_it(stolen, digits):
    _, model = stolen("adi")
    settings = {"rate": 0.01, "epochs": 1, "batch": 50}
    steps = []
    some = FineTune(**settings, share=0.1)(model, digits, seed=0, watch=steps.append)
    assert len(steps) == int(0.1 * len(digits.train_inputs)) // 50
    part = digits.split({"thief": 0.1}, seed=0)["thief"]
    by_hand = FineTune(**settings)(model, part, seed=0)
    assert torch.equal(some.fc1.weight, by_hand.fc1.weight)
    with pytest.raises(UsageError, match="expected at least one sample"):
        FineTune(share=1e-6)(model, digits, seed=0)


def test_low_rank_tuning_changes_weights_by_no_more_than_its_rank(stolen, digits):
    _, model = stolen("adi")
    attacked = Lora(rank=2, epochs=2)(model, digits.subset(480, seed=0), seed=0)
    assert attacked.state_dict().keys() == model.state_dict().keys()
    moved = 0
    for layer in layers.markable(model):
        before = layers.weight(model, layer.path).detach().flatten(1)
        change = layers.weight(attacked, layer.path).flatten(1) - before
        rounding = torch.finfo(before.dtype).eps * float(before.norm())  # small changes drown in it
        rank = int(torch.linalg.matrix_rank(change, atol=rounding, rtol=1e-4))
        assert rank <= 2
        moved += rank
    assert moved > 0
    assert torch.equal(attacked.fc1.bias, model.fc1.bias)


def test_holes_are_squares_of_the_mean_elsewhere_in_each_picture():
    x = torch.rand(64, 2, 12, 10, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        holed, _ = Holes(0.5).batch(x, torch.zeros(64))
    changed = holed != x
    assert (changed.flatten(1).sum(dim=1) == 2 * 5 * 5).all()
    assert len({tuple(picture[0].nonzero()[0].tolist()) for picture in changed}) > 10
    mean = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    assert torch.equal(holed[changed], mean[changed])


def test_a_hardened_model_holds_out_longer(stolen, digits):
    _, model = stolen("adi")
    x, y = Normalise(digits.feed)(digits.test_inputs), digits.test_labels

    def fooled(network):
        craft = Adversarial(
            network, lambda x, y: y, Extent.of(digits), share=1.0, eps=0.1, step=0.03, iterations=7
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return float((logits(network, craft.crafted(x, y)).argmax(dim=1) != y).float().mean())

    hardened = AdversarialTraining(rate=0.05)(model, digits.subset(480, seed=0), seed=0)
    assert fooled(hardened) < fooled(model) - 0.1


def test_smoothed_labels_make_answers_less_sure(stolen, digits):
    _, model = stolen("adi")
    x = Normalise(digits.feed)(digits.test_inputs)
    smooth = LabelSmoothing(0.5)(model, digits.subset(480, seed=0), seed=0)
    sure = [float(logits(network, x).softmax(dim=1).amax(dim=1).mean()) for network in (model, smooth)]
    assert sure[1] < sure[0] - 0.2


def test_a_strong_penalty_shrinks_the_weights(stolen, digits):
    _, model = stolen("adi")
    shrunk = Regularise(0.1)(model, digits.subset(480, seed=0), seed=0)
    norms = [sum(float(p.detach().pow(2).sum()) for p in network.parameters()) for network in (model, shrunk)]
    assert norms[1] < 0.5 * norms[0]


def test_noisy_labels_are_learned_worse(stolen, digits):
    _, model = stolen("adi")
    x, y = Normalise(digits.feed)(digits.train_inputs), digits.train_targets
    some = digits.subset(480, seed=0)
    losses = [float(cross_entropy(logits(LabelNoise(share)(model, some, seed=0), x), y)) for share in (0.0, 0.3)]
    assert losses[1] > 2 * losses[0]
