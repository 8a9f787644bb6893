"""Second tasks: what they tell apart, whom they leave alone, and which few pictures are asked about."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from counting import Asked
from modelmark.attacks._tools.side_tasks import Given, Turns, nt_xent
from modelmark.attacks.base import Thief
from modelmark.attacks.extraction.ssl_extraction import SslExtraction, spread_out
from modelmark.attacks.tuning.multi_task import MultiTask
from modelmark.errors import UsageError
from modelmark.seeding import seeded
from modelmark.training.loop import run
from modelmark.training.recipe import constant


@pytest.fixture
def tiny(digits):
    """Sixty inputs, for what does not depend on how well a student learns."""
    return digits.subset(60, seed=1)


@pytest.fixture
def small():
    with seeded(0):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def test_the_side_task_is_learned_on_the_networks_own_features(digits, small):
    """Its head tells turns apart in the end, and the network goes on with its own task."""
    task, recipe = digits.subset(300, seed=0), constant(12, 0.2, batch=50, clip=1.0)
    model, hooks = run(small, task, recipe, lambda copied: Turns(copied, (1, 8, 8), 1.0, 0), seed=0)
    _, classes = hooks.samples(torch.randn(8, 1, 4, 4))
    assert classes.tolist() == [0, 1, 2, 3] * 2
    asked = (digits.test_inputs[:200].float() / 255 - 0.5) * 2
    turned, classes = hooks.samples(asked)
    assert torch.equal(turned[1], torch.rot90(asked[1], 1, (1, 2)))
    features = model[:3](turned)
    right = ((features @ hooks.weight.T + hooks.bias).argmax(dim=1) == classes).float().mean()
    assert right > 0.6  # chance gives a quarter
    assert sorted(hooks.state_dict()) == ["bias", "weight"]


def test_pictures_that_are_not_square_are_turned_upside_down(small):
    hooks = Turns(small, (1, 4, 16), 1.0, 0)
    x = torch.randn(4, 1, 4, 16)
    turned, classes = hooks.samples(x)
    assert classes.tolist() == [0, 1, 0, 1]
    assert torch.equal(turned[1], x[1].flip(1, 2))


def test_another_data_set_gives_as_many_samples_as_the_batch_has(small):
    hooks = Given(small, torch.arange(5.0).view(5, 1, 1, 1), torch.tensor([0, 1, 2, 0, 1]), 1.0, 0)
    samples, kinds = hooks.samples(torch.zeros(40, 1, 1, 1))
    assert len(samples) == 40
    assert torch.equal(kinds, samples.flatten().long() % 3)
    assert hooks.weight.shape == (3, 32)


def test_a_last_layer_of_another_kind_is_refused(digits):
    model = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())
    with pytest.raises(UsageError, match="last layer is linear, got Conv2d"):
        MultiTask(epochs=1)(model, digits.subset(40, seed=0), seed=0)


def test_views_of_one_picture_are_found_among_all():
    rest = math.log(1 + 6 * math.exp(-10))  # of six others at right angles
    alike, other = torch.eye(4).repeat(2, 1), torch.cat([torch.eye(4), torch.eye(4).roll(1, 0)])
    assert float(nt_xent(alike, 0.1)) == pytest.approx(rest, abs=1e-6)
    assert float(nt_xent(other, 0.1)) == pytest.approx(10 + rest, abs=1e-4)
    assert float(nt_xent(torch.ones(8, 3), 0.1)) == pytest.approx(math.log(7))


def test_pictures_far_from_all_others_are_never_asked_and_every_crowd_is():
    draw = torch.Generator().manual_seed(0)
    middles = 4 * torch.eye(8)[:6]
    crowds = middles.repeat_interleave(20, dim=0) + 0.3 * torch.randn(120, 8, generator=draw)
    odd = torch.zeros(5, 8)
    odd[:, 6:] = torch.randn(5, 2, generator=draw) * 4
    odd[:, :6] = 2 * torch.randn(5, 6, generator=draw)
    features = torch.cat([crowds, odd])
    chosen = spread_out(features, 6, outliers=0.05)
    assert sorted((chosen // 20).tolist()) == [0, 1, 2, 3, 4, 5]
    every = spread_out(features, 500, outliers=0.05)
    assert len(set(every.tolist())) == len(every) == 119
    assert not set(range(120, 125)) & set(every.tolist())
    assert set(range(120, 125)) & set(spread_out(features, 6, outliers=0.0).tolist())


def test_few_are_asked_and_no_label_of_the_thief_takes_part(fresh, tiny):
    attack = SslExtraction(share=0.25, pretext_epochs=1, epochs=1)
    asked = Asked(fresh)
    attack.change(asked, Thief(tiny, seed=3))
    assert asked.count == [15]
    other = replace(tiny, train_targets=(tiny.train_targets + 1) % 10)
    first, second = (attack(fresh, task, seed=3).state_dict() for task in (tiny, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
