"""Extraction: inputs that are made, drawn by rule, turned, or moved along a gradient, and what is learnt from them."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.perturb import Adversarial, jacobian_signs
from modelmark.attacks.base import Thief
from modelmark.attacks.extraction._answers import labels
from modelmark.attacks.extraction._pictures import FAMILIES, pictures
from modelmark.attacks.extraction._students import with_head
from modelmark.attacks.extraction.knockoff import Knockoff
from modelmark.attacks.extraction.transfer import pretrained, turned
from modelmark.errors import UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def thief(digits):
    """Half of what the owner trained on: 718 inputs."""
    return digits.split({"owner": 0.5, "thief": 0.5}, seed=0)["thief"]


@pytest.fixture
def tiny(digits):
    """Sixty inputs, for what does not depend on how well a student learns."""
    return digits.subset(60, seed=1)


def linear(task, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(task.train_inputs[0].numel(), task.feed.classes))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_pictures_are_of_every_family_and_any_shape():
    feed = PictureFeed((3, 12, 20), ("a", "b"))
    images, kinds = pictures(feed, 500, family="mixed", seed=0)
    assert images.dtype == torch.uint8
    assert images.shape == (500, 3, 12, 20)
    assert torch.bincount(kinds).tolist() == [100] * len(FAMILIES)
    for kind in range(len(FAMILIES)):
        chosen = images[kinds == kind].float()
        assert len(chosen.flatten(1).unique(dim=0)) == 100
        assert (chosen.flatten(1).std(dim=1) > 2).float().mean() > 0.9  # hardly any is blank
    again, _ = pictures(feed, 500, family="mixed", seed=0)
    assert torch.equal(images, again)
    with pytest.raises(UsageError, match="to draw pictures"):
        pictures(PictureFeed((64,), ("a", "b")), 5, family="mixed", seed=0)


def test_knockoff_uses_no_input_of_the_thief(unmarked, tiny):
    other = replace(tiny, train_inputs=255 - tiny.train_inputs)
    attack = Knockoff(data="boxes", queries=100, epochs=1)
    assert same(attack(unmarked, tiny, seed=3), attack(unmarked, other, seed=3))


def test_a_quarter_turn_is_one():
    image = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
    images, quarters = turned(image)
    assert images[1].flatten().tolist() == [1, 3, 0, 2]
    assert quarters.tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="square"):
        turned(torch.zeros(1, 1, 2, 3, dtype=torch.uint8))


@pytest.mark.parametrize(("pretext", "least"), [("rotation", 0.75), ("pictures", 0.4)])
def test_the_first_task_of_a_transfer_is_learnt(fresh, thief, pretext, least):
    """Chance is one in four, and one in five."""
    before = pretrained(fresh, Thief(thief, seed=3), pretext, 5)
    if pretext == "rotation":
        images, kinds = turned(thief.test_inputs)
    else:
        images, kinds = pictures(thief.feed, 300, family="mixed", seed=9)
    right = (labels(before, images, thief) == kinds).float().mean()
    assert right >= least


def test_a_new_head_has_the_classes_asked_for(fresh):
    changed = with_head(fresh, 4, seed=0)
    assert changed.head.weight.shape == (4, 512)
    assert fresh.head.weight.shape == (10, 512)
    with pytest.raises(UsageError, match="last layer is linear"):
        with_head(nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten()), 4, seed=0)


def test_the_jacobian_of_a_linear_network_is_its_weights(tiny):
    model = linear(tiny)
    asked = labels(model, tiny.train_inputs, tiny)
    signs = jacobian_signs(model, tiny.train_inputs, asked, tiny.feed)
    assert torch.equal(signs.flatten(1), model[1].weight[asked].sign().to(torch.int8))
    grown = Extent.of(tiny).moved(tiny.train_inputs, signs, 0.1)
    change = grown.int() - tiny.train_inputs.int()
    assert change.abs().max() in (25, 26)
    assert ((change == 0) | (change.sign() == signs)).all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_examples_are_near_in_range_and_worse(unmarked, tiny):
    hooks = Adversarial(
        unmarked,
        lambda x, y: logits(unmarked, x).argmax(1),
        Extent.of(tiny),
        share=0.5,
        eps=0.1,
        step=0.025,
        iterations=7,
    )
    normalise = Normalise(tiny.feed)
    x, y = normalise(tiny.train_inputs), tiny.train_targets
    with torch.random.fork_rng(devices=[]):
        mixed, targets = hooks.batch(x, y)
    crafted = mixed[60:]
    low, high = (
        normalise(torch.zeros_like(tiny.train_inputs[:1])),
        normalise(torch.full_like(tiny.train_inputs[:1], 255)),
    )
    assert crafted.shape == (30, 1, 8, 8)
    assert ((crafted - x[:30]).abs() <= 0.1 * (high - low) + 1e-5).all()
    assert ((crafted >= low - 1e-6) & (crafted <= high + 1e-6)).all()
    assert torch.equal(targets[60:], logits(unmarked, crafted).argmax(1))
    assert cross_entropy(logits(unmarked, crafted), y[:30]) > 10 * cross_entropy(logits(unmarked, x[:30]), y[:30])
