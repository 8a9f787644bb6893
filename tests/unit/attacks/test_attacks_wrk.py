"""WRK: what is pushed where, and what it is called."""

import pytest
import torch

from modelmark.attacks.base import Thief
from modelmark.attacks.cleansing.wrk import others, pushed
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.training.task import Task


def test_another_label_is_any_of_the_rest():
    labels = torch.arange(4).repeat_interleave(300)
    found = others(labels, 4, torch.Generator().manual_seed(0))
    assert not (found == labels).any()
    table = torch.zeros(4, 4).index_put((labels, found), torch.ones(1200), accumulate=True)
    assert table[~torch.eye(4, dtype=torch.bool)].min() > 70  # of 100


def test_samples_are_pushed_towards_some_class_and_never_keep_their_label(unmarked, digits):
    thief = Thief(digits.subset(400, seed=0), seed=3)
    task = pushed(unmarked, thief, eps=0.15, share=0.25)
    assert len(task.train_inputs) == 500
    assert torch.equal(task.train_inputs[:400], thief.task.train_inputs)
    assert torch.equal(task.train_targets[:400], thief.task.train_targets)
    samples = task.train_inputs[400:]
    gaps = (samples[:, None].int() - thief.task.train_inputs[None].int()).abs().flatten(2).amax(dim=2)
    assert int(gaps.amin(dim=1).max()) == round(0.15 * 255)  # each is one of his, moved by that much at most
    origin = gaps.argmin(dim=1)
    assert len(set(origin.tolist())) == 100
    assert not (task.train_targets[400:] == thief.task.train_targets[origin]).any()
    with torch.no_grad():
        before, after = (
            scored(unmarked, Normalise(digits.feed)(x)) for x in (thief.task.train_inputs[origin], samples)
        )
    assert float((after - before).amax(dim=1).median()) > 2  # some score rose
    assert torch.equal(pushed(unmarked, thief, eps=0.15, share=0.25).train_inputs, task.train_inputs)


def test_soft_targets_and_floats_are_taken_too(digits):
    inputs = torch.rand(40, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9, 1, 1, 1, 0])
    soft = torch.eye(3)[torch.arange(40) % 3]
    task = Task(FloatFeed((6,), ("a", "b", "c")), inputs, soft, inputs[:6], torch.arange(6) % 3)
    model = torch.nn.Linear(6, 3)
    found = pushed(model, Thief(task, seed=0), eps=0.5, share=0.2)
    samples, targets = found.train_inputs[40:], found.train_targets[40:]
    assert targets.shape == (8, 3)
    assert targets.sum(dim=1).tolist() == pytest.approx([1.0] * 8)
    assert (samples >= inputs.amin(dim=0)).all()
    assert (samples <= inputs.amax(dim=0)).all()
    assert float((samples[:, 1] - samples[:, 1].round()).abs().max()) > 0.01  # not rounded to whole numbers
