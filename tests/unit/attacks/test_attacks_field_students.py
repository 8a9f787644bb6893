"""Students of a thief who knows that answers may hold a field: what each costs, how often it asks, and what it is shown."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from counting import Asked
from modelmark.attacks._tools.augment import Colours, Holes, Mixup, Shifts, moved
from modelmark.attacks.base import Thief
from modelmark.attacks.extraction._answers import agreement, labelled, scores
from modelmark.attacks.extraction._students import drawn_anew, taught
from modelmark.attacks.extraction.active import Active, doubts
from modelmark.attacks.extraction.retrain_augmented import RetrainAugmented
from modelmark.attacks.extraction.retrain_mixed import RetrainMixed
from modelmark.attacks.extraction.retrain_neighbours import RetrainNeighbours, agreed, nearest
from modelmark.attacks.extraction.retrain_smoothed import RetrainSmoothed
from modelmark.attacks.extraction.retrain_voted import RetrainVoted
from modelmark.feeds.tensors import Normalise
from modelmark.marks.embedding import embed
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed
from modelmark.training.task import accuracy


@pytest.fixture(scope="module")
def thief(digits):
    """Half of what the owner trained on: 718 inputs."""
    return digits.split({"owner": 0.5, "thief": 0.5}, seed=0)["thief"]


@pytest.fixture(scope="module")
def shifted(stolen, unmarked, digits):
    """Adi's mark in a network that was shown pictures moved by a pixel: of another, votes over such pictures are often wrong."""
    mark, _ = stolen("adi")
    recipe = annealed(20, 0.05, batch=64, clip=1.0, augment="crop", pad=1)
    return mark, embed(unmarked, [mark], digits, recipe, seed=1).model


@pytest.fixture
def tiny(digits):
    """Sixty inputs, for what does not depend on how well a student learns."""
    return digits.subset(60, seed=1)


# --- students ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attack", "lost"),
    [
        (RetrainAugmented(epochs=60), 0.05),
        (RetrainMixed(), 0.05),
        (RetrainSmoothed(), 0.05),
        (RetrainVoted(), 0.05),
        (RetrainNeighbours(), 0.05),
        (Active(), 0.1),  # so few queries cost more
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_adis_mark_is_gone_from_a_student_that_answers_alike(attack, lost, stolen, shifted, thief):
    mark, marked = shifted if attack.name == "retrain-voted" else stolen("adi")
    student = attack(marked, thief, seed=3)
    assert accuracy(marked, thief) - accuracy(student, thief) <= lost
    assert agreement(marked, student, thief) >= 0.98 - lost
    found = mark.evidence(WhiteBox(student))
    assert not found.established
    assert found.matches <= 25  # of 100; chance gives 10


@pytest.mark.parametrize(
    ("attack", "asked"),
    [
        (RetrainAugmented(epochs=1), 60),
        (RetrainMixed(epochs=1), 60),
        (RetrainSmoothed(epochs=1), 60),
        (RetrainNeighbours(epochs=1), 60),
        (RetrainVoted(asks=7, epochs=1), 7 * 60),
        (RetrainVoted(asks=1, epochs=1), 60),
        (Active(share=0.5, rounds=4, round_epochs=1, epochs=1), 30),
        (Active(share=0.33, rounds=7, round_epochs=1, epochs=1), 20),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_each_asks_as_often_as_it_says(attack, asked, fresh, tiny):
    stolen = Asked(fresh)
    attack.change(stolen, Thief(tiny, seed=3))
    assert stolen.count == [asked]


@pytest.mark.parametrize(
    "attack",
    [
        RetrainAugmented(epochs=1), RetrainMixed(epochs=1), RetrainSmoothed(epochs=1), RetrainVoted(epochs=1),
        RetrainNeighbours(epochs=1), Active(round_epochs=1, epochs=1),
    ],
    ids=lambda attack: attack.name,
)  # fmt: skip
def test_a_student_depends_on_answers_alone(attack, unmarked, tiny):
    """The same labels from louder scores, and other labels of the thief's own, give the same bytes."""
    louder = copy.deepcopy(unmarked)
    with torch.no_grad():
        louder.head.weight.mul_(2)
        louder.head.bias.mul_(2)
    blind = replace(tiny, train_targets=torch.zeros_like(tiny.train_targets))
    first, second = attack(unmarked, tiny, seed=3), attack(louder, blind, seed=3)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_the_first_answer_decides_ties_and_no_other(digits):
    class Edges(nn.Module):
        """Says where the brightest pixel stands: its column, as a class."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            columns = x[:, 0].amax(dim=1)
            return torch.cat([columns, columns.new_full((len(x), 2), -9.0)], dim=1) * self.weight

    pictures = torch.zeros(40, 1, 8, 8, dtype=torch.uint8)
    pictures[:, 0, 4, 3] = 255
    task = replace(digits, train_inputs=pictures, train_targets=torch.zeros(40, dtype=torch.int64))
    still = RetrainVoted(asks=4, shift=0).voted(Edges(), Thief(task, seed=0))
    assert (still == 3).all()
    two = RetrainVoted(asks=2, shift=1).voted(Edges(), Thief(task, seed=0))
    assert (two == 3).all()  # one against one
    many = RetrainVoted(asks=3, shift=1).voted(Edges(), Thief(task, seed=0))
    assert set(many.tolist()) == {2, 3, 4}  # two that agree outvote the first


def test_what_is_asked_is_what_the_student_doubts_most(unmarked, tiny):
    class Kept(Asked):
        def forward(self, x):
            self.count.append(x)
            return self.model(x)

    stolen = Kept(unmarked)
    Active(share=0.2, rounds=2, round_epochs=3, epochs=1).change(stolen, Thief(tiny, seed=3))
    _, first, later = stolen.count
    order = torch.randperm(60, generator=Thief(tiny, seed=3).generator())
    normalise = Normalise(tiny.feed)
    assert torch.equal(first, normalise(tiny.train_inputs[order[:6]]))
    answered = labelled(unmarked, tiny, tiny.train_inputs[order[:6]])
    student = taught(drawn_anew(unmarked, seed=3), Thief(tiny, seed=4), task=answered, epochs=3)
    rest = tiny.train_inputs[order[6:]]
    most = doubts(scores(student, rest, tiny)).argsort(descending=True, stable=True)[:6]
    assert torch.equal(later, normalise(rest[most]))
    assert doubts(torch.zeros(1, 10)).item() == pytest.approx(math.log(10), abs=1e-5)


def test_nearest_points_are_others():
    points = torch.tensor([[0.0], [1.0], [1.5], [10.0]])
    assert nearest(points, 1).flatten().tolist() == [1, 2, 1, 2]
    many = torch.randn(1100, 3, generator=torch.Generator().manual_seed(0))
    found = nearest(many, 4)
    distances = torch.cdist(many, many).fill_diagonal_(torch.inf)
    assert torch.equal(found.sort(1).values, distances.topk(4, largest=False).indices.sort(1).values)


def test_neighbours_mend_labels_that_are_wrong_here_and_there():
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(300) % 3
    points = 5.0 * one_hot(kind, 3) + torch.randn(300, 3, generator=generator)
    said = torch.where(torch.rand(300, generator=generator) < 0.2, (kind + 1) % 3, kind)
    assert (said == kind).float().mean() < 0.85
    assert (agreed(points, one_hot(said, 3).float(), 8) == kind).float().mean() > 0.9
    assert torch.equal(agreed(points, one_hot(said, 3).float(), 1), said)  # one against one and a half
    assert agreed(points[:1], one_hot(said[:1], 3).float(), 8).tolist() == said[:1].tolist()


# --- what is done to pictures ------------------------------------------------------------------------------------------


def test_pictures_move_by_whole_pixels_and_repeat_their_border():
    x = torch.arange(9.0).view(1, 1, 3, 3).repeat(2, 1, 1, 1)
    found = moved(x, torch.tensor([1, 0]), torch.tensor([0, -1]))
    assert found[0, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert found[1, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]


def test_augmentation_stays_within_what_it_says():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, y = torch.rand(200, 3, 8, 8), torch.arange(200) % 10
        still, same = Shifts(0.0).batch(x, y)
        assert torch.equal(still, x) and torch.equal(same, y)  # noqa: PT018
        shifted, _ = Shifts(0.25).batch(x, y)
        assert {(x[i, 0, 3, 3] == shifted[i, 0]).nonzero()[0].sub(3).abs().max().item() for i in range(200)} == {
            0,
            1,
            2,
        }
        coloured, _ = Colours(0.3).batch(x, y)
        slope = (coloured[:, :, 0, 0] - coloured[:, :, 1, 1]) / (x[:, :, 0, 0] - x[:, :, 1, 1])
        assert 0.7 - 1e-3 <= slope.min() < 0.75 < 1.25 < slope.max() <= 1.3 + 1e-3
        holed, _ = Holes(0.5).batch(x, y)
        assert ((holed != x).all(1).sum((1, 2)) == 16).all()


def test_mixtures_have_the_same_share_of_targets_as_of_inputs():
    x = one_hot(torch.arange(10)).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for y in (torch.arange(10), x.clone()):
            mixed, soft = Mixup(1.0, 10).batch(x, y)
            torch.testing.assert_close(mixed, soft)
            assert ((soft > 0).sum(1) == 2).float().mean() >= 0.8
            torch.testing.assert_close(soft.sum(1), torch.ones(10))
