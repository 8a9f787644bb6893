"""Marks that go into a trained network in a small part of an epoch, and what training leaves short."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import NotEmbeddedError
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.embedding import MOST_LOST, embed
from modelmark.marks.keys import keygen
from modelmark.networks.cutting import halves
from modelmark.schemes import scheme_class
from modelmark.schemes._least import DEVIATIONS, least
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.training.attaching import overrides, parts_of
from modelmark.training.loop import fit
from modelmark.training.norms import Norms
from modelmark.training.recipe import annealed
from modelmark.training.tails import THOROUGH, Course, _Least, teach
from modelmark.training.task import accuracy


def marks(model, digits, *schemes, secret=0):
    settings = {"uchida": {"bits": 160}}
    return [
        keygen(
            scheme_class(name)(**settings.get(name, {})),
            model,
            digits.feed,
            task=digits,
            secret=Secret(bytes([place, *[secret] * 31])),
        ).mark()
        for place, name in enumerate(schemes)
    ]


def small():
    with seeded(0):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 160), nn.ReLU(), nn.Linear(160, 10))


@pytest.mark.slow  # every day, trained networks are settled below, and conformance trains and settles each scheme
@pytest.mark.parametrize("secret", [0, 1, 2])
def test_a_few_epochs_are_enough_whatever_the_secret_is(secret, digits):
    """Training alone left some of these short in all its rounds, by chance of secret and processor."""
    fresh = small()
    (mark,) = marks(fresh, digits, "adi", secret=secret)
    few = annealed(2, 0.2, batch=64, clip=1.0)
    with pytest.raises(NotEmbeddedError):
        embed(fresh, [mark], digits, few, seed=secret, rounds=1, settling=False)
    done = embed(fresh, [mark], digits, few, seed=secret, rounds=1)
    assert (done.rounds, done.reached[0].matches) == (1, 100)
    assert mark.evidence(WhiteBox(done.model)).established


@pytest.fixture(scope="module")
def settled(perceptron, digits):
    _, host, _ = perceptron
    several = marks(host, digits, "uchida", "adi", "deepsigns", "spread")
    before = copy.deepcopy(host.state_dict())
    done = embed(host, several, digits, seed=3)
    assert all(map(torch.equal, before.values(), host.state_dict().values()))
    return several, done


def test_a_trained_network_is_marked_without_an_epoch(settled, perceptron, digits):
    several, done = settled
    assert (done.rounds, done.epochs, done.is_whole) == (0, 0, True)
    assert done.accuracy_before - done.accuracy_after <= max(MOST_LOST, 1 / len(digits.test_labels)) + 1e-9
    assert all(mark.evidence(WhiteBox(done.model)).established for mark in several)


@pytest.mark.slow  # every day, the network of ``settled`` is left as it was, and a short lesson gives the same bytes
def test_it_leaves_the_network_it_was_given_and_gives_the_same_bytes_again(digits):
    host = fit(small(), digits, annealed(4, 0.2, batch=64, clip=1.0), seed=0)
    before = copy.deepcopy(host.state_dict())
    done, again = (embed(host, marks(host, digits, "adi"), digits, seed=3) for _ in range(2))
    assert done.rounds == 0
    assert all(torch.equal(a, b) for a, b in zip(before.values(), host.state_dict().values(), strict=True))
    states = [one.model.state_dict().values() for one in (done, again)]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_the_least_change_is_the_shortest(rng):
    rows, wanted = rng.normal(size=(40, 60)), rng.normal(size=40)
    found = least(rows, wanted)
    slack = rows @ found - wanted
    assert slack.min() > -1e-9
    active = slack < 1e-7
    forces, *_ = np.linalg.lstsq(rows[active].T, found, rcond=None)
    assert np.allclose(rows[active].T @ forces, found)  # Kuhn and Tucker: the active rows alone push, and none pulls
    assert forces.min() > 0
    assert 0 < active.sum() < 40


def test_there_is_no_change_where_rows_contradict_each_other_and_none_is_needed_where_all_is_there():
    row = np.array([[1.0, 2.0]])
    assert least(np.vstack([row, -row]), np.array([1.0, 1.0])) is None
    assert not least(row, np.array([-1.0])).any()


def test_a_settled_margin_is_so_many_deviations_of_what_unmarked_weights_project_to(perceptron, digits):
    _, host, _ = perceptron
    (mark,) = marks(host, digits, "uchida")
    model = copy.deepcopy(host)
    mark.key.scheme.settle(model, mark.carriers, mark.message)
    unmarked = float(mark.margins(host).std())
    assert 0.8 * DEVIATIONS < float(mark.margins(model).min()) / unmarked < 1.5 * DEVIATIONS


class Branching(nn.Module):
    """A value that is used twice, so that no cut lies between."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x):
        x = self.first(x).relu()
        return self.head(x + self.second(x))


def test_what_is_settled_under_batch_norm_is_there_when_its_statistics_are_taken_again(digits):
    """A thief's first steps take them; statistics of before the mark was there lost a third of it."""
    with seeded(0):
        fresh = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(),
            nn.Linear(256, 10),
        )  # fmt: skip
    host = fit(fresh, digits, annealed(3, 0.1, batch=64), seed=0)
    (mark,) = marks(host, digits, "deepsigns")
    done = embed(host, [mark], digits, seed=1)
    assert done.rounds == 0
    again = copy.deepcopy(done.model)
    Norms(again).take(Normalise(digits.feed)(digits.train_inputs))
    assert int((mark.margins(again) >= 0).sum()) > 0.98 * len(mark.message)


def test_a_batch_is_normalised_by_its_first_samples_and_statistics_count_all_alike():
    """Against torch's own batch norm in training."""
    with seeded(0):
        part = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3, affine=False)).eval()
        first, more = torch.rand(128, 2, 6, 6), 5 * torch.rand(20, 2, 6, 6)
    own = Norms(part)
    with own.by_first(128):
        found = part(torch.cat([first, more]))
    assert torch.allclose(found[:128], copy.deepcopy(part).train()(first), atol=1e-5)
    assert torch.equal(part[1].running_mean, torch.zeros(3))
    own.take(first)
    assert torch.allclose(part[1].running_mean, part[0](first).mean((0, 2, 3)), atol=1e-5)
    assert (part[1].momentum, part[1].training, part[1].num_batches_tracked) == (0.1, False, 1)
    assert torch.allclose(part(first), found[:128], atol=5e-3)  # torch keeps the unbiased variance


def test_labels_are_gone_on_with_where_a_network_still_learns(digits):
    """Under many settled symbols a network of one epoch would else stay as bad as it was."""
    host = fit(small(), digits, annealed(1, 0.02, batch=64, clip=1.0), seed=0)
    before = accuracy(host, digits)
    (mark,) = marks(host, digits, "adi")
    done = embed(host, [mark], digits, seed=0)
    assert before < 0.9
    assert (done.rounds, done.reached[0].matches) == (0, 100)
    assert done.accuracy_after > before + 0.02


def test_a_result_that_is_short_is_kept_on_request(digits):
    fresh = small()
    (mark,) = marks(fresh, digits, "adi")
    few = annealed(1, 0.2, batch=64, clip=1.0)
    done = embed(fresh, [mark], digits, few, seed=0, rounds=1, settling=False, keep=True)
    (found,) = done.reached
    assert not done.is_whole
    assert 0 < found.short == int((mark.margins(done.model) < 0.1).sum())


def test_a_network_is_cut_where_one_value_alone_goes_on():
    model = Branching().eval()
    cut, x = halves(model), torch.randn(5, 8)
    assert torch.equal(cut.above(cut.below(x)), model(x))
    assert {id(p) for p in cut.trained} == {id(p) for p in (*model.second.parameters(), *model.head.parameters())}


class Deciding(Branching):
    """What it computes depends on what it is given."""

    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


def test_a_network_that_cannot_be_traced_is_trained_as_ever(perceptron):
    assert halves(Deciding()) is None


def test_a_step_without_the_smallest_weights_changes_them_all_the_same():
    model = small().eval()
    weights = [module.weight for module in model if isinstance(module, nn.Linear)]
    given = [weight.detach().clone() for weight in weights]
    least = _Least(model, list(model.parameters()))
    least.rank()
    with least.without(0.65):
        shares = [round(float((weight == 0).sum()) / weight.numel(), 1) for weight in weights]
        model(torch.rand(4, 64)).square().sum().backward()
    assert shares == [0.6, 1.0]  # ranked together
    assert all(torch.equal(weight, before) for weight, before in zip(weights, given, strict=True))
    assert (weights[1].grad != 0).float().mean() > 0.2


def test_a_lesson_gives_the_same_bytes_again(digits):
    given = small().eval()
    (mark,) = marks(given, digits, "coupled")
    states = []
    for seed in (3, 3, 4):
        model = copy.deepcopy(given)
        lesson = mark.key.scheme.lesson(mark.carriers, mark.message, model, seed=seed)
        assert teach(model, [replace(lesson, course=Course(rounds=(5,), made=64))], digits, seed=seed)
        states.append(b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values()))
    assert states[0] == states[1] != states[2]


def test_each_step_of_a_thorough_course_leaves_out_another_share(digits, monkeypatch):
    shares, without = [], _Least.without

    def noted(least, share):
        shares.append(share)
        return without(least, share)

    monkeypatch.setattr(_Least, "without", noted)
    model = small().eval()
    (mark,) = marks(model, digits, "coupled")
    lesson = mark.key.scheme.lesson(mark.carriers, mark.message, model, seed=0)
    assert teach(model, [replace(lesson, course=replace(THOROUGH, rounds=(3,), made=64))], digits, seed=0)
    assert len(set(shares)) == 3
    assert 0 < min(shares) < max(shares) < THOROUGH.pruned
    assert teach(model, [replace(lesson, course=Course(rounds=(3,), made=64))], digits, seed=0)
    assert len(shares) == 3


def test_fused_pairs_are_learnt_thoroughly_and_by_samples_alone(digits):
    model = small()
    (mark,) = marks(model, digits, "coupled")
    lesson = mark.key.scheme.lesson(mark.carriers, mark.message, model, seed=0)
    assert (lesson.course, lesson.margin) == (THOROUGH, mark.key.scheme.margin)
    assert not any(overrides(part, "after_step") for part in parts_of(lesson.hooks))
