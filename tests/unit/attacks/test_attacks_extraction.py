"""Extraction: each attack does what it says, costs at most five points on digits, and what becomes of the marks."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from modelmark.attacks.extraction._answers import agreement, labelled, labels, scores, softened
from modelmark.attacks.extraction._losses import Distilling, Imitating
from modelmark.attacks.extraction._students import drawn_anew, schedule
from modelmark.attacks.extraction.adversarial_extraction import AdversarialExtraction
from modelmark.attacks.extraction.cross_architecture import CrossArchitecture
from modelmark.attacks.extraction.distil import Distil
from modelmark.attacks.extraction.ensemble import Ensemble
from modelmark.attacks.extraction.jacobian import Jacobian
from modelmark.attacks.extraction.knockoff import Knockoff
from modelmark.attacks.extraction.retrain import Retrain
from modelmark.attacks.extraction.retrain_noisy import RetrainNoisy
from modelmark.attacks.extraction.retrain_soft import RetrainSoft
from modelmark.attacks.extraction.transfer import Transfer
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.models.resnet_small import resnet8
from modelmark.suspects.module import WhiteBox, logits
from modelmark.training.task import accuracy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def thief(digits):
    """Half of what the owner trained on: 718 inputs."""
    return digits.split({"owner": 0.5, "thief": 0.5}, seed=0)["thief"]


@pytest.fixture
def tiny(digits):
    """Sixty inputs, for what does not depend on how well a student learns."""
    return digits.subset(60, seed=1)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- what becomes of the marks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "lost"),
    [
        (Retrain(), 0.05),
        (RetrainSoft(), 0.05),
        (RetrainNoisy(), 0.05),
        (Distil(), 0.05),
        (CrossArchitecture(), 0.05),
        (Transfer(pretext_epochs=2), 0.1),
        (Jacobian(samples=300, rounds=1, round_epochs=5), 0.1),  # so few queries cost more
        (Jacobian(), 0.1),
        (Ensemble(), 0.05),
        (AdversarialExtraction(), 0.05),
        (AdversarialExtraction(iterations=2, step=0.05, share=0.125), 0.05),
        (Ensemble(students=2, eps=0.1, epochs=40), 0.1),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_adis_mark_is_gone_from_a_student_that_answers_alike(attack, lost, stolen, thief):
    mark, marked = stolen("adi")
    student = attack(marked, thief, seed=3)
    assert accuracy(marked, thief) - accuracy(student, thief) <= lost
    assert agreement(marked, student, thief) >= 0.98 - lost
    assert mark.evidence(WhiteBox(marked)).established
    found = mark.evidence(WhiteBox(student))
    assert not found.established
    assert found.matches <= 25  # of 100; chance gives 10


def test_bits_read_from_new_weights_are_at_chance(stolen, thief):
    mark, marked = stolen("uchida")
    found = mark.evidence(WhiteBox(RetrainSoft(epochs=3)(marked, thief, seed=3)))
    assert not found.established
    assert abs(found.matches - 128) <= 40  # of 256: five standard deviations


def test_bits_cannot_be_looked_for_where_no_layer_has_that_size(stolen, tiny):
    mark, marked = stolen("uchida")
    other = CrossArchitecture(arch="mlp", epochs=1)(marked, tiny, seed=3)
    with pytest.raises(MismatchError, match="layer that the key marks"):
        mark.evidence(WhiteBox(other))


def test_bits_are_not_found_in_layers_of_that_size_in_another_architecture(stolen, tiny):
    mark, marked = stolen("uchida")
    found = mark.evidence(WhiteBox(CrossArchitecture(arch="resnet8", epochs=1)(marked, tiny, seed=3)))
    assert not found.established
    assert abs(found.matches - 128) <= 40  # of 256: five standard deviations


def test_foreign_queries_copy_more_of_adis_triggers_than_the_thiefs_own_inputs(stolen, thief):
    """The triggers are foreign pictures themselves, so a student of foreign pictures meets their neighbourhood."""
    mark, marked = stolen("adi")
    student = Knockoff(queries=3500)(marked, thief, seed=3)
    assert agreement(marked, student, thief) >= 0.6  # so few pictures copy a part of the task
    found = mark.evidence(WhiteBox(student))
    assert not found.established
    assert found.matches >= 30  # of 100; students of the thief's own inputs keep 11 to 19


def test_enough_foreign_queries_copy_the_mark_with_the_task(stolen, thief):
    mark, marked = stolen("adi")
    student = Knockoff(queries=16000)(marked, thief, seed=3)
    assert accuracy(student, thief) >= 0.85
    assert mark.evidence(WhiteBox(student)).matches >= 60


@pytest.mark.parametrize("attack", [Retrain(), Distil(), Knockoff()], ids=lambda attack: attack.name)
def test_coupled_triggers_are_not_copied(attack, stolen, thief):
    mark, marked = stolen("coupled")
    assert not mark.evidence(WhiteBox(attack(marked, thief, seed=3))).established


# --- answers and students ------------------------------------------------------------------------------------------


def test_agreement_asks_for_no_label(unmarked, fresh, digits):
    assert agreement(unmarked, copy.deepcopy(unmarked), digits) == 1
    assert agreement(unmarked, fresh, digits) < 0.5
    blind = replace(digits, test_labels=torch.zeros_like(digits.test_labels))
    assert agreement(unmarked, fresh, blind) == agreement(unmarked, fresh, digits)


def test_answers_are_the_stolen_models(unmarked, tiny):
    given = labelled(unmarked, tiny)
    assert torch.equal(given.train_targets, logits(unmarked, Normalise(tiny.feed)(tiny.train_inputs)).argmax(1))
    soft = softened(unmarked, tiny, temperature=2.0).train_targets
    torch.testing.assert_close(soft, (scores(unmarked, tiny.train_inputs, tiny) / 2).softmax(1))


def test_a_student_depends_on_answers_alone(unmarked, tiny):
    """The same labels from other weights, and other labels of the thief's own, give the same bytes."""
    louder = copy.deepcopy(unmarked)
    with torch.no_grad():
        louder.head.weight.mul_(2)
        louder.head.bias.mul_(2)
    blind = replace(tiny, train_targets=torch.zeros_like(tiny.train_targets))
    for attack in (Retrain(epochs=1), Ensemble(epochs=1), Jacobian(samples=30, rounds=1, round_epochs=1, epochs=1)):
        assert same(attack(unmarked, tiny, seed=3), attack(louder, blind, seed=3))


def test_new_weights_have_nothing_of_the_old(digits):
    model = resnet8((1, 8, 8), 10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(7.0)
    for parameter in model.parameters():
        parameter.data.fill_(7.0)
        parameter.requires_grad_(False)
    student = drawn_anew(model, seed=0)
    assert not any((value == 7.0).any() for value in student.state_dict().values())
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert same(student, drawn_anew(model, seed=0))
    assert not same(student, drawn_anew(model, seed=1))


def test_no_student_begins_where_a_network_of_the_same_seed_began(digits):
    theirs = build("cnn", (1, 8, 8), 10, seed=5)
    student = drawn_anew(theirs, seed=5)
    shared = [name for name, value in theirs.named_parameters() if torch.equal(value, student.get_parameter(name))]
    assert shared == [name for name, value in theirs.named_parameters() if value.unique().numel() == 1]  # such as zeros


def test_parameters_that_cannot_be_drawn_are_not_kept():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    with pytest.raises(UsageError, match="got Scaled at '1'"):
        drawn_anew(nn.Sequential(nn.Linear(2, 2), Scaled()), seed=0)


def test_small_data_are_seen_more_often(digits, fresh, tiny):
    assert schedule(fresh, tiny).epochs == 120
    assert schedule(fresh, digits).epochs == 15
    assert schedule(fresh, digits, 4).epochs == 4


# --- losses --------------------------------------------------------------------------------------------------------


def test_distillation_is_the_papers_loss():
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 6, 10, generator=generator)
    y, T, alpha = torch.arange(6), 3.0, 0.7
    packed = torch.cat([alpha * T**2 * (teacher / T).softmax(1), one_hot(y, 10).float()], dim=1)
    hooks = Distilling(T, 1 - alpha)
    x, soft = hooks.batch(torch.zeros(6, 1), packed)
    got = hooks.loss(cross_entropy(student, soft), None, x, soft, student)
    soft_part = -((teacher / T).softmax(1) * (student / T).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(got, alpha * T**2 * soft_part + (1 - alpha) * cross_entropy(student, y))


def test_alpha_zero_is_training_on_the_thiefs_own_labels(unmarked, tiny):
    wrong = replace(tiny, train_targets=torch.full_like(tiny.train_targets, 4))
    student = Distil(alpha=0.0, epochs=10)(unmarked, wrong, seed=3)
    assert (labels(student, tiny.train_inputs, tiny) == 4).all()


def test_squares_take_the_place_of_cross_entropy():
    wanted = torch.arange(6.0).view(2, 3)

    class Stolen(nn.Module):
        def forward(self, x):
            self.asked = x
            return wanted

    stolen = Stolen()
    hooks = Imitating(stolen, noise=0.5, squares=True)
    x = torch.zeros(2, 400)
    with torch.random.fork_rng(devices=[]):
        noisy, y = hooks.batch(x, torch.zeros(2, dtype=torch.int64))
    scored = torch.ones(2, 3)
    loss = hooks.loss(cross_entropy(scored, y), None, noisy, y, scored)
    assert torch.equal(stolen.asked, noisy)
    assert abs(float(noisy.std()) - 0.5) < 0.06
    assert not x.any()
    torch.testing.assert_close(loss, ((scored - wanted) ** 2).mean())


def test_both_soft_losses_bring_the_scores_together(unmarked, thief):
    for attack in (RetrainSoft(loss="mse", epochs=8), RetrainNoisy(loss="cross-entropy", epochs=8)):
        student = attack(unmarked, thief, seed=3)
        assert agreement(unmarked, student, thief) >= 0.75


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_student_of_the_same_architecture_is_no_other(tiny):
    with pytest.raises(UsageError, match="another architecture"):
        CrossArchitecture()(build("resnet8", (1, 8, 8), 10, seed=0), tiny, seed=3)


def test_fewer_inputs_than_students_are_refused(fresh, tiny):
    with pytest.raises(UsageError, match="an input for each of 61 students"):
        Ensemble(students=61)(fresh, tiny, seed=3)
