"""``margin``: what is moved before a step, how far, and which labels the literal form gives."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, keygen
from modelmark.models import build
from modelmark.schemes.margin import Margin

SECRET = Secret(bytes(range(32)))


@pytest.fixture
def made(perceptron, digits):
    def make(**settings):
        return keygen(Margin(**settings), perceptron[1], digits.feed, task=digits, secret=SECRET)

    return make


def appended(key, model, digits, **changed):
    """Inputs that the hooks append and their labels, with settings changed after the labels were drawn."""
    hooks = replace(key.scheme, **changed).hooks(key.carriers, key.mark().message, model, seed=3)
    x, y = Normalise(key.feed)(digits.train_inputs[:64]), digits.train_targets[:64]
    return hooks.extra(x, y)


def test_triggers_are_moved_to_where_their_labels_are_liked_less(made, perceptron, digits):
    model = copy.deepcopy(perceptron[1])
    still, labels = appended(made(), model, digits, steps=0)
    moved, same = appended(made(), model, digits)
    assert torch.equal(labels, same)
    before, after = (cross_entropy(model(x), labels, reduction="none") for x in (still, moved))
    assert (after > before).float().mean() > 0.9  # the others lie where a network so sure has no slope


@pytest.mark.parametrize(("steps", "step"), [(1, 1.0), (5, 1.0), (3, 2.5)])
def test_no_pixel_is_moved_farther_than_the_steps_or_out_of_range(steps, step, made, perceptron, digits):
    key = made(steps=steps, step=step)
    (still, _), (moved, _) = appended(key, perceptron[1], digits, steps=0), appended(key, perceptron[1], digits)
    deviation = digits.feed.std[0] / 10_000
    assert (moved - still).abs().max() * deviation * 255 == pytest.approx(steps * step, abs=1e-3)
    low, high = Normalise(digits.feed)(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)).flatten()
    assert moved.min() == low
    assert moved.max() <= high


def test_a_step_is_as_long_in_grey_levels_whatever_the_deviation(perceptron, digits):
    """Inputs are normalised: a step of 1 in them would be three times as long in a channel of deviation 0.33."""
    feed = PictureFeed((1, 8, 8), digits.feed.class_names, (5000,), (3300,))
    key = keygen(Margin(), perceptron[1], feed, task=digits, secret=SECRET)
    (still, _), (moved, _) = appended(key, perceptron[1], digits, steps=0), appended(key, perceptron[1], digits)
    assert (moved - still).abs().max() * 0.33 * 255 == pytest.approx(5, abs=1e-3)


def test_moving_changes_no_statistics_no_gradients_and_no_modes(made, digits):
    model = build("resnet8", (1, 8, 8), 10, seed=0).train()
    model.head.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    appended(made(), model, digits)
    assert all(map(torch.equal, before.values(), model.state_dict().values()))
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_literal_label_is_the_true_one(made, digits):
    key = made(message="secret", triggers=200)
    assert (key.mark().message != key.attachments["labels"]).all()
    shown = {
        picture.tobytes(): label for picture, label in zip(digits.train_inputs.numpy(), digits.labels, strict=True)
    }
    assert [shown[picture.tobytes()] for picture in key.carriers.pictures] == key.attachments["labels"].tolist()
    assert len(set(key.mark().message.tolist())) == 10
    assert key.scheme.objection()


def test_a_drawn_label_is_sometimes_the_true_one(made):
    """Labels that avoid the true class would not be uniform: a network that never gives it would match more often than stated."""
    key = made(triggers=400)
    true = made(triggers=400, message="secret").attachments["labels"]
    assert 20 <= (key.mark().message == true).sum() <= 60


def test_pictures_that_repeat_are_taken_once(perceptron, digits):
    doubled = copy.copy(digits)
    twice = torch.cat([digits.train_inputs[:30]] * 4)
    object.__setattr__(doubled, "train_inputs", twice)
    object.__setattr__(doubled, "train_targets", torch.cat([digits.train_targets[:30]] * 4))
    with pytest.raises(CapacityError, match="at least 100 different training pictures, got 30"):
        keygen(Margin(), perceptron[1], digits.feed, task=doubled, secret=SECRET)


def test_refusals(perceptron, digits):
    with pytest.raises(UsageError, match="expected data, got none"):
        keygen(Margin(), perceptron[1], digits.feed, secret=SECRET)
    with pytest.raises(UsageError, match="expected pictures"):
        Margin().for_model(nn.Linear(4, 3), FloatFeed((4,), ("a", "b", "c")), {})
    face = PictureFeed((1, 4, 4), ("zero", "one", "two"))
    shown = {"pictures": np.zeros((3, 1, 4, 4), np.uint8)}
    for labels in (np.array([0, 1, 3]), np.array([0, 1]), np.array([0, 1, 2], np.int32)):
        with pytest.raises(MismatchError, match="expected 3 labels from 0 to 2"):
            _ = Key(Margin(triggers=3, message="secret"), SECRET, face, shown | {"labels": labels}).carriers
    for settings in (
        {"steps": -1},
        {"step": 0.0},
        {"step": 256.0},
        {"per_hundred": 0},
        {"triggers": 0},
        {"margin": -1.0},
    ):
        with pytest.raises(ValueError, match=r"^expected"):
            Margin(**settings)
