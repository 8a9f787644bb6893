"""Thieves who know that scores may hold a field: each does what it says, costs what it promises, and asks what it says."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from modelmark.attacks._tools.augment import Colours, Holes, Mixup, Shifts, moved
from modelmark.attacks._tools.heads import add, head_of, whitening
from modelmark.attacks.base import Thief
from modelmark.attacks.extraction._answers import agreement, labelled, labels, scores
from modelmark.attacks.extraction._students import drawn_anew, taught
from modelmark.attacks.extraction.active import Active, doubts
from modelmark.attacks.extraction.retrain_augmented import RetrainAugmented
from modelmark.attacks.extraction.retrain_mixed import RetrainMixed
from modelmark.attacks.extraction.retrain_neighbours import RetrainNeighbours, nearest
from modelmark.attacks.extraction.retrain_smoothed import RetrainSmoothed
from modelmark.attacks.extraction.retrain_voted import RetrainVoted
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.tuning.refit_head import RefitHead, regressed
from modelmark.attacks.tuning.self_distil import SelfDistil
from modelmark.attacks.weights.own_field import OwnField
from modelmark.attacks.weights.trim_head import TrimHead
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import accuracy


@pytest.fixture(scope="module")
def thief(digits):
    """Half of what the owner trained on: 718 inputs."""
    return digits.split({"owner": 0.5, "thief": 0.5}, seed=0)["thief"]


@pytest.fixture
def tiny(digits):
    """Sixty inputs, for what does not depend on how well a student learns."""
    return digits.subset(60, seed=1)


class Asked(nn.Module):
    """Counts the inputs that it is given; a copy of it, such as a student, counts its own."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.count = [0]

    def forward(self, x):
        self.count[0] += len(x)
        return self.model(x)


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
def test_adis_mark_is_gone_from_a_student_that_answers_alike(attack, lost, stolen, thief):
    mark, marked = stolen("adi")
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


@pytest.mark.slow
def test_neighbours_mend_labels_that_are_wrong_here_and_there(unmarked, thief):
    """A stolen model that answers one input in ten at random: the second student is nearer to the truth than plain labels."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = copy.deepcopy(unmarked)

        def forward(self, x):
            found = self.model(x)
            if not self.training and not torch.is_grad_enabled() and len(x) > 64:
                wrong = torch.arange(len(x)) % 5 == 0
                return torch.where(wrong[:, None], found.roll(3, dims=1), found)
            return found

    from modelmark.attacks.extraction import retrain_neighbours as room

    seen = []
    kept = room.retrained
    try:
        room.retrained = lambda stolen, own, *, task, epochs: (
            seen.append(task) or kept(unmarked, own, task=task, epochs=epochs)
        )
        RetrainNeighbours(epochs=12).change(Noisy(), Thief(thief, seed=3))
    finally:
        room.retrained = kept
    asked, mended = (float((task.train_targets == thief.train_targets).float().mean()) for task in seen)
    assert asked < 0.82
    assert mended > asked + 0.1


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


# --- the last layer ----------------------------------------------------------------------------------------------------


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
