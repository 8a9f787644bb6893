"""Attacks on networks of numbers that are no pixels: steps and ends are those of the thief's own, and nothing is rounded."""

import pytest
import torch
from torch import nn

from modelmark.attacks import attack_class
from modelmark.attacks._tools.extent import Extent
from modelmark.attacks.serving import served
from modelmark.errors import UsageError
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.tensors import Normalise
from modelmark.training.task import Task

SCALE = torch.tensor([1.0, 1e-3, 200, 1, 1e3, 0])
"""Of each number; the last is always the same."""
ATTACKS = {
    "jacobian": {"samples": 20, "rounds": 2, "round_epochs": 1, "epochs": 1},
    "wrk": {"epochs": 1, "after": 0},
    "adversarial": {"epochs": 1},
    "adversarial-extraction": {"epochs": 1},
    "ibau": {"epochs": 1},
    "cleanse-unlearn": {"steps": 4, "epochs": 1},
    "adversarial-triggers": {"triggers": 5, "steps": 3},
    "grind": {"triggers": 5},
    "subset": {"committed": 60, "opened": 4},
}


@pytest.fixture
def task():
    inputs = (torch.rand(60, 6, generator=torch.Generator().manual_seed(0)) - 0.5) * SCALE
    labels = torch.arange(60) % 3
    return Task(FloatFeed((6,), ("a", "b", "c")), inputs[:50], labels[:50], inputs[50:], labels[50:])


class Seeing(nn.Module):
    """Three scores of what it is shown, which is kept for all copies."""

    def __init__(self, seen):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
        self._keep = lambda x: seen.append(x.detach())

    def forward(self, x):
        self._keep(x)
        return self.head(self.body(x / SCALE.clamp(min=1)).relu())


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_asked_and_trained_on_lies_where_the_thiefs_inputs_do(name, task):
    seen, extent = [], Extent.of(task)
    attack_class(name)(**ATTACKS[name])(Seeing(seen), task, seed=0)
    every = torch.cat(seen)
    room = 1e-5 * (extent.high - extent.low)
    assert (every >= extent.low - room).all()
    assert (every <= extent.high + room).all()
    assert (every[:, 1] != 0).float().mean() > 0.9  # far below 1: rounded it would be 0


@pytest.mark.parametrize("name", ["refuse", "randomise", "blockdoor-ood"])
def test_queries_far_from_the_thiefs_inputs_are_found(name, task):
    model = Seeing([])
    api = attack_class(name)(**({"epochs": 2, "instead": "random"} if name == "blockdoor-ood" else {}))
    wrapped, far = api(served(model, task.feed), task, seed=0), 50 * task.test_inputs
    assert torch.equal(wrapped(far), wrapped(far))
    assert not torch.equal(wrapped(far), served(model, task.feed)(far))


def test_steps_of_pixels_are_of_full_scale_and_whole(digits):
    few = digits.subset(20, seed=0)
    extent = Extent.of(few)
    signs = torch.ones_like(few.train_inputs, dtype=torch.int8)
    assert torch.equal(extent.moved(few.train_inputs, signs, 0.2), few.train_inputs.clamp(max=204) + 51)
    low, high = extent.fed(torch.device("cpu"))
    assert torch.equal(low, Normalise(few.feed)(torch.zeros_like(few.train_inputs[:1]))[0])
    assert torch.equal(high, Normalise(few.feed)(torch.full_like(few.train_inputs[:1], 255))[0])
    assert extent.drawn(3, torch.Generator().manual_seed(0)).dtype == torch.uint8


@pytest.mark.parametrize("name", ["knockoff", "query-statistics", "mean-filter", "jpeg", "fit-key"])
def test_what_draws_or_filters_pictures_says_that_it_needs_them(name):
    rows = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    task = Task(FloatFeed((3, 8, 8), ("a", "b")), rows[:6], torch.arange(6) % 2, rows[6:], torch.arange(2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    given = served(model, task.feed) if name in ("mean-filter", "jpeg") else model
    with pytest.raises(UsageError, match=r"^expected (a model of )?pictures.*, got .*floats"):
        attack_class(name)()(given, task, seed=0)
