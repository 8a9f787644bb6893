"""``blackmarks``: how classes are grouped, what is moved across, and that any class of the right group is the right answer."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import MismatchError
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Key, keygen
from modelmark.schemes import _crafting
from modelmark.schemes.blackmarks import BlackMarks, grouped
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed

SECRET = Secret(bytes(range(32)))


@pytest.fixture(scope="module")
def made(perceptron, digits):
    def make(secret=SECRET, **settings):
        return keygen(BlackMarks(**settings), perceptron[1], digits.feed, task=digits, secret=secret)

    return make


@pytest.fixture(scope="module")
def marked(made, perceptron, digits):
    mark = made().mark()
    return mark, embed(perceptron[1], [mark], digits, annealed(12, 0.1, batch=64, clip=1.0), seed=2, settling=False)


class Split(nn.Module):
    """Scores of two kinds: classes 0, 3 and 4 are told alike, and so are the others. It is asked once, in order."""

    def __init__(self, labels) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.left = torch.isin(labels, torch.tensor([0, 3, 4])).float()[:, None]

    def forward(self, x):
        like, self.left = self.left[: len(x)], self.left[len(x) :]
        return self.weight + like * torch.linspace(1, 0, 10) + (1 - like) * torch.linspace(0, 1, 10)


def test_classes_that_the_host_answers_alike_are_of_one_group(digits):
    groups = grouped(Split(digits.labels), digits, SECRET)
    assert set(groups[[0, 3, 4]]) == {groups[0]}
    assert set(groups[[1, 2, 5, 6, 7, 8, 9]]) == {1 - groups[0]}


def test_a_host_that_answers_all_alike_has_two_groups_too(digits):
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(10))

        def forward(self, x):
            return self.weight.expand(len(x), 10)

    assert grouped(Constant(), digits, SECRET).tolist() == [0] * 5 + [1] * 5


def test_half_of_the_pictures_are_of_either_group_and_most_were_taken_for_the_other(made, perceptron, digits):
    key = made()
    groups, sides = key.attachments["groups"], key.attachments["sides"]
    assert np.array_equal(groups[sides], np.tile([0, 1], (216, 1)))
    shown = {0: 0, 1: 0}
    for picture, pair in zip(key.attachments["pictures"].astype(int), sides, strict=True):
        near = np.abs(digits.train_inputs.numpy().astype(int) - picture).max(axis=(1, 2, 3)) <= 25
        (own,) = {label for label in digits.labels[torch.from_numpy(near)].tolist() if label in pair}
        shown[int(groups[own])] += 1
    assert shown == {0: 108, 1: 108}
    told = _crafting.answered(perceptron[1], torch.from_numpy(key.attachments["pictures"]), key.feed).argmax(axis=1)
    assert (groups[told] == 0).sum() > 60
    assert (groups[told] == 1).sum() > 60


def test_any_class_of_the_right_group_is_the_right_answer(made):
    key = made()
    mark, groups = key.mark(), key.attachments["groups"]
    last = np.array([np.flatnonzero(groups == bit).max() for bit in (0, 1)])
    assert key.carriers.scores(last[mark.message]).total(mark.message) == 216
    assert key.carriers.scores(last[1 - mark.message]).total(mark.message) == 0


def test_a_marked_network_answers_as_drawn_and_no_other_network_or_key_does(marked, made, perceptron):
    mark, done = marked
    found = mark.evidence(WhiteBox(done.model))
    assert (found.matches, found.gross_bits, found.established) == (216, 216, True)
    assert done.accuracy_before - done.accuracy_after <= 0.03
    assert float(mark.margins(done.model).min()) >= 0.1
    assert mark.evidence(WhiteBox(perceptron[1])).gross_bits < 20
    assert made(Secret(bytes(32))).mark().evidence(WhiteBox(done.model)).gross_bits < 20


def test_it_outlives_what_the_paper_tries(marked, digits):
    mark, done = marked
    for attack in (Prune(0.6), FineTune()):
        assert mark.evidence(WhiteBox(attack(done.model, digits, seed=0))).established


def test_the_literal_bits_are_the_secrets(made, perceptron):
    key = made(message="secret")
    assert key.mark().message.tolist() == SECRET.integers("blackmarks/bits", 2, 216).tolist()
    found = key.mark().evidence(WhiteBox(perceptron[1]))
    assert "could have been searched for" in str(found)
    assert not found.established


def test_groups_that_keygen_would_not_make_are_refused(digits):
    shown = {"pictures": np.zeros((2, 1, 8, 8), np.uint8), "sides": np.array([[0, 1], [2, 3]])}
    groups = np.array([0, 1, 0, 1, 0, 0, 0, 0, 1, 1])
    assert Key(BlackMarks(triggers=2), SECRET, digits.feed, shown | {"groups": groups}).carriers.codes.shape == (2, 10)
    for other in (groups[:9], groups + 1, groups.astype(float), 1 - groups, np.zeros(10, np.int64)):
        with pytest.raises(MismatchError, match="expected"):
            _ = Key(BlackMarks(triggers=2), SECRET, digits.feed, shown | {"groups": other}).carriers
