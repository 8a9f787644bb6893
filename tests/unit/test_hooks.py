"""Hooks: what a loop gets from one, and that several together lose nothing."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.extraction._losses import Distilling, Imitating
from modelmark.training.hooks import Composed, Hooks, joined


class Shift(Hooks):
    """Transforms the batch."""

    def change(self, x, y):
        return x + 1, y


class Append(Hooks):
    """Appends ``count`` zeros of class ``label``, and notes what it was shown."""

    def __init__(self, count, label=0):
        super().__init__()
        self.count, self.label, self.shown = count, label, []

    def extra(self, x, y):
        self.shown.append(x)
        return torch.zeros(self.count, *x.shape[1:]), torch.full((self.count,), self.label)


class Term(Hooks):
    """Adds ``factor`` times its parameter to the loss, and notes which samples it was told are data."""

    def __init__(self, factor):
        super().__init__()
        self.weight, self.factor, self.data = nn.Parameter(torch.ones(())), factor, []

    def loss(self, loss, model, x, y, scores):
        self.data.append((x, y, scores))
        return loss + self.factor * self.weight

    def after_step(self, model):
        model.append("step")

    def finish(self, model):
        model.append("end")

    def margins(self, model):
        return torch.tensor([self.factor])


class Replace(Hooks):
    """Doubles what the others made of the loss."""

    def loss(self, loss, model, x, y, scores):
        return 2 * loss


X, Y = torch.arange(3.0).view(3, 1), torch.tensor([4, 5, 6])


def test_hooks_that_say_nothing_leave_a_loop_as_it_is():
    hooks, loss = Hooks(), torch.ones(())
    x, y = hooks.batch(X, Y)
    assert x is X
    assert y is Y
    assert hooks.loss(loss, None, x, y, None) is loss
    assert hooks.param_groups() == []
    with pytest.raises(NotImplementedError):
        hooks.margins(None)


@pytest.mark.parametrize("order", [1, -1])
def test_a_part_that_transforms_works_beside_parts_that_append(order):
    first, second = Append(2, label=7), Append(1, label=8)
    x, y = Composed([Shift(), first, second][::order]).batch(X, Y)
    assert torch.equal(x[:3], X + 1)
    assert not x[3:].any()
    assert y.tolist() == [4, 5, 6, *([7, 7, 8] if order == 1 else [8, 7, 7])]
    assert torch.equal(first.shown[0], X + 1)  # the loop's own samples as they are fed, and nobody else's
    assert torch.equal(second.shown[0], X + 1)


def test_changes_follow_one_another():
    x, _ = Composed([Shift(), Shift()]).batch(X, Y)
    assert torch.equal(x, X + 2)
    assert x.shape == X.shape


def test_losses_go_from_one_to_the_next_and_see_the_loops_own_samples():
    term, other = Term(1.0), Term(10.0)
    hooks = Composed([term, Append(5), Replace(), other])
    inputs, _ = hooks.batch(X, Y)
    scores = inputs.expand(-1, 10)
    assert hooks.loss(torch.tensor(3.0), None, X, Y, scores) == 2 * (3 + 1) + 10
    for part in (term, other):
        x, y, seen = part.data[0]
        assert x is X
        assert y is Y
        assert len(seen) == 3 + 5


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", ["labels", "answers"])
def test_a_loss_put_in_place_of_the_loops_own_keeps_what_others_appended_and_added(kind, first):
    torch.manual_seed(0)
    model, x, y = nn.Linear(1, 10), torch.rand(4, 1), torch.rand(4, 10).softmax(1)
    student, y = (Distilling(1.0, 0.5), torch.cat([y, y.flip(1)], 1)) if kind == "labels" else (Imitating(model), y)
    others = [Append(2, label=3), Term(0.25)]
    hooks = Composed([student, *others] if first else [*others, student])
    inputs, targets = hooks.batch(x, y)
    scores = model(inputs) ** 2
    own = scores[:4]
    told = cross_entropy(own, model(x).softmax(1))
    if kind == "labels":
        told = cross_entropy(own, y[:, :10]) + 0.5 * cross_entropy(own, y[:, 10:])
    expected = 4 / 6 * told + 2 / 6 * cross_entropy(scores[4:], torch.tensor([3, 3])) + 0.25
    found = hooks.loss(cross_entropy(scores, targets), model, *student.change(x, y), scores)
    torch.testing.assert_close(found, expected)
    alone = student.loss(cross_entropy(own, student.change(x, y)[1]), model, *student.change(x, y), own)
    assert torch.equal(alone, told)


def test_steps_ends_parameters_and_margins_of_all_parts():
    hooks, calls = Composed([Term(1.0), Hooks(), Composed([Term(2.0)])]), []
    hooks.after_step(calls)
    hooks.finish(calls)
    assert calls == ["step", "step", "end", "end"]
    groups = hooks.param_groups()
    assert [group["weight_decay"] for group in groups] == [0.0, 0.0]
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in hooks.parameters()}
    assert Composed([Term(1.0), Term(2.0)]).margins(None).tolist() == [1.0, 2.0]


def test_labels_become_soft_beside_soft_targets():
    soft = torch.tensor([[0.5, 0.25, 0.25]])
    for parts in ([(X[:1], soft), (X[1:], torch.tensor([2, 0]))], [(X[1:], torch.tensor([2, 0])), (X[:1], soft)]):
        _, y = joined(parts)
        assert y.dtype == torch.float32
        assert sorted(y.sum(1).tolist()) == [1, 1, 1]
        assert [0, 0, 1] in y.tolist()
        assert soft[0].tolist() in y.tolist()


def test_what_is_appended_takes_the_type_and_the_memory_format_of_the_batch():
    x = torch.rand(4, 3, 8, 8, dtype=torch.float16).contiguous(memory_format=torch.channels_last)
    inputs, _ = joined([(x, torch.zeros(4)), (torch.rand(2, 3, 8, 8), torch.zeros(2))])
    assert inputs.dtype == torch.float16
    assert inputs.is_contiguous(memory_format=torch.channels_last)
