"""``certified``: what training under noise does, and what noise on the weights proves of networks near by."""

import copy
import math
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist, median_low

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.errors import NotEmbeddedError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import Charge
from modelmark.evidence.smoothing import MEDIAN, Certificate, distance
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.certifying import apart, certify
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.networks.noisy import noisy
from modelmark.schemes.adi import Adi
from modelmark.schemes.certified import Certified
from modelmark.suspects.module import WhiteBox
from modelmark.testing.false_positives import messages
from modelmark.training.recipe import annealed

SECRET = Secret(bytes(range(32)))
SIGMA = 0.1
"""Noise that a mark does not stand which was trained without any."""


@pytest.fixture(scope="module")
def made(perceptron, digits):
    def make(scheme, secret=SECRET):
        return keygen(scheme, perceptron[1], digits.feed, task=digits, secret=secret).mark()

    return make


@pytest.fixture(scope="module")
def marked(made, perceptron, digits):
    mark = made(Certified(sigma=SIGMA))
    return mark, embed(perceptron[1], [mark], digits, annealed(12, 0.2, batch=64, clip=1.0), seed=2)


@pytest.fixture(scope="module")
def certificate(marked):
    return certify(marked[0], marked[1].model, draws=200)


def test_a_marked_network_answers_as_drawn_and_no_other_network_or_key_does(marked, made, perceptron):
    mark, done = marked
    assert mark.evidence(WhiteBox(done.model)).matches == 100
    assert mark.evidence(WhiteBox(perceptron[1])).gross_bits < 20
    assert made(Certified(sigma=SIGMA), Secret(bytes(32))).evidence(WhiteBox(done.model)).gross_bits < 20


def test_it_stands_noise_that_a_mark_trained_without_does_not(certificate, made, perceptron, digits):
    plain = made(Adi(per_hundred=16))
    done = embed(perceptron[1], [plain], digits, annealed(4, 0.2, batch=64, clip=1.0), seed=2)
    other = certify(plain, done.model, sigma=SIGMA, draws=40)
    assert other.plain == certificate.plain == 100
    assert median_low(other.found) < 75
    assert median_low(certificate.found) > 90
    assert other.distance == 0 < certificate.distance


def test_every_network_within_the_distance_reads_as_was_proved(marked, certificate):
    """Also where the change goes straight against the mark, which no noise finds."""
    mark, done = marked
    inputs = Normalise(mark.key.feed)(torch.from_numpy(mark.carriers.pictures))
    model = copy.deepcopy(done.model)
    cross_entropy(model(inputs), torch.from_numpy(mark.message)).backward()
    slope = [parameter.grad for parameter in model.parameters()]
    norm = math.sqrt(sum(float(one.square().sum()) for one in slope))
    with torch.no_grad():
        for parameter, one in zip(model.parameters(), slope, strict=True):
            parameter += one * (certificate.distance * 0.999 / norm)
    assert apart(done.model, model) == pytest.approx(0.999 * certificate.distance, rel=1e-3)
    there = certify(mark, model, draws=60, seed=1)
    for level in certificate.levels:
        if level.distance == certificate.distance:
            assert median_low(there.found) >= level.matches


def test_what_is_said_of_a_network_that_is_not_marked(marked, made, perceptron):
    found = certify(marked[0], perceptron[1], draws=40)
    assert (found.distance, found.levels[-1].distance) == (0, 0)
    assert "within a distance of 0: established" in str(found)


def test_noise_that_breaks_a_network_matches_nothing(marked):
    assert set(certify(marked[0], marked[1].model, sigma=1e38, draws=3).found) == {0}


def test_one_seed_gives_one_certificate_and_changes_no_network(marked):
    mark, done = marked
    before = copy.deepcopy(done.model.state_dict())
    first, again, other = (certify(mark, done.model, sigma=2 * SIGMA, draws=20, seed=seed) for seed in (0, 0, 1))
    assert first.to_json() == again.to_json()
    assert first.found != other.found
    assert all(map(torch.equal, before.values(), done.model.state_dict().values()))


def test_a_certificate_is_computed_again_from_what_it_says(certificate):
    told = certificate.to_json()
    again = Certificate(
        told["scheme"], told["matches"], told["under_noise"], told["trials"], Fraction(told["chance"]),
        tuple(Charge(**one) for one in told["charges"]), told["sigma"], told["seed"], told["confidence"],
        told["parameters"], told["norm"],
    )  # fmt: skip
    assert (again.needed, again.distance) == (told["needed"], told["distance"])
    assert [vars(level) for level in again.levels] == told["levels"]
    assert told["parameters"] == 85_002


def test_a_median_pays_a_bit_and_needs_so_many_more_matches():
    paid = (Charge("offline draw", 80.0),)
    found = Certificate("adi", 100, [100] * 50, 100, Fraction(1, 10), paid, 0.1, 0, 0.99, 1, 1.0)
    assert found.net_bits(100) == pytest.approx(100 * math.log2(10) - 80 - MEDIAN)
    assert found.net_bits(found.needed) >= 64 > found.net_bits(found.needed - 1)
    assert replace(found, bar=1000.0).needed is None
    assert replace(found, bar=1000.0).distance == 0
    assert replace(found, self_check=True).distance == 0


def test_medians_of_an_unmarked_network_are_no_likelier_than_their_bits_say(made, perceptron):
    """Each message is held against the same thirty draws of noise."""
    mark, generator = made(Adi()), torch.Generator().manual_seed(0)
    shaken = [noisy(perceptron[1], SIGMA, generator) for _ in range(30)]
    symbols = np.stack([mark.read(WhiteBox(one)).scores[0].symbols for one in shaken])
    drawn = messages(10, 100, 2000)
    medians = np.sort((drawn[:, None] == symbols).sum(axis=2), axis=1)[:, 14]
    assert len({row.tobytes() for row in symbols}) == 30
    for matches in (10, 13, 15, 17):
        most = 2.0 ** (MEDIAN - stats.tail_bits(matches, 100, Fraction(1, 10)))
        assert (medians >= matches).mean() < most + 4 * math.sqrt(most / 2000)
    assert (medians >= 10).mean() > 0.3


# The bound: where a threshold on one number is read, the true distance is known


@pytest.mark.parametrize("reach", [0.1, 0.5, 1.5])
def test_no_more_is_proved_than_is_true_but_for_the_error(reach):
    """A reading that holds while one weight is above ``-reach`` is lost within just that distance, in deviations of the noise."""
    below = np.random.default_rng(0).binomial(500, NormalDist().cdf(-reach), size=2000)
    proved = np.array([distance(int(one), 500, 1.0, 0.05) for one in range(501)])[below]
    wrong = (proved > reach).mean()
    assert 0.01 < wrong < 0.05 + 0.02
    assert np.median(proved) > reach - 0.2


def test_a_distance_is_the_normal_quantile_of_an_exact_limit():
    """With no draw below, the chance of such draws is (1 - p)**draws: its limit at an error is known in closed form."""
    for draws, error in ((10, 0.01), (1000, 0.01), (1000, 1e-6)):
        most = 1 - error ** (1 / draws)
        assert distance(0, draws, 0.5, error) == pytest.approx(-0.5 * NormalDist().inv_cdf(most), rel=1e-9)
    assert distance(500, 1000, 0.5, 0.01) == 0
    assert distance(3, 3, 0.5, 0.01) == 0
    assert distance(0, 5, 0.5, 0.01) == 0  # too few draws to say anything
    with pytest.raises(ValueError, match=r"expected an error between 0 and 0\.5"):
        distance(0, 10, 1.0, 0.5)


# Training


def test_what_is_added_to_the_loss_is_what_triggers_cost_under_noise(made, perceptron, digits):
    model, scheme = copy.deepcopy(perceptron[1]), Certified(sigma=SIGMA, draws=64, weight=0.5)
    mark = made(scheme)
    hooks = mark.hooks(model, seed=3)
    x, y = Normalise(digits.feed)(digits.train_inputs[:50]), digits.train_targets[:50]
    added = hooks.loss(torch.zeros(()), model, x, y, model(x))
    inputs = Normalise(digits.feed)(torch.from_numpy(mark.carriers.pictures))
    generator, costs = torch.Generator().manual_seed(9), []
    with torch.no_grad():
        for level in torch.linspace(0, SIGMA, 64):
            shaken = noisy(model, float(level), generator)
            costs.append(float(cross_entropy(shaken(inputs), torch.from_numpy(mark.message))))
    assert added.item() == pytest.approx(0.5 * np.mean(costs), rel=0.2)
    added.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_under_noise_no_statistics_and_no_modes_change(made, digits):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 10)).train()
    hooks, before = made(Certified()).hooks(model, seed=3), copy.deepcopy(model.state_dict())
    x, y = Normalise(digits.feed)(digits.train_inputs[:16]), digits.train_targets[:16]
    hooks.loss(torch.zeros(()), model, x, y, torch.zeros(16, 10))
    hooks.margins(model)
    assert all(map(torch.equal, before.values(), model.state_dict().values()))
    assert model.training


def test_hooks_go_on_with_the_noise_where_they_were(made, perceptron, digits):
    x, y = Normalise(digits.feed)(digits.train_inputs[:16]), digits.train_targets[:16]

    def step(hooks):
        return hooks.loss(torch.zeros(()), perceptron[1], x, y, torch.zeros(16, 10)).item()

    hooks, other = (made(Certified(sigma=SIGMA)).hooks(perceptron[1], seed=seed) for seed in (3, 4))
    first = step(hooks)
    other.load_state_dict(copy.deepcopy(hooks.state_dict()))
    assert first != step(hooks) == step(other)


def test_a_mark_that_holds_without_noise_alone_is_not_in(made, perceptron, digits):
    """Noise of ten deviations of the weights leaves nothing: embedding says so, and does not call it done."""
    mark = made(Certified(sigma=1.0))
    with pytest.raises(NotEmbeddedError, match="certified"):
        embed(perceptron[1], [mark], digits, annealed(1, 0.2, batch=64, clip=1.0), seed=2, rounds=1)


def test_kinds_of_pictures_are_those_of_zhang(made):
    for kind in ("content", "noise"):
        found = made(Certified(kind=kind)).key
        assert found.attachments["sources"].shape == (100, 1, 8, 8)
        assert not np.array_equal(found.carriers.pictures, found.attachments["sources"])
    assert not made(Certified()).key.attachments


def test_refusals(marked, made, perceptron):
    for settings in ({"sigma": 0.0}, {"sigma": math.inf}, {"draws": 0}, {"weight": -1.0}, {"side": 0}):
        with pytest.raises(ValueError, match=r"^expected"):
            Certified(**settings)
    mark, done = marked
    for numbers in ({"sigma": 0.0}, {"draws": 0}, {"confidence": 0.5}, {"confidence": 1.0}, {"sigma": math.nan}):
        with pytest.raises(UsageError, match="expected sigma above 0, 1 to 1000000 draws and a confidence between"):
            certify(mark, done.model, **numbers)
    with pytest.raises(UsageError, match="expected a sigma, got none and a key of adi"):
        certify(made(Adi()), done.model)
    with pytest.raises(UsageError, match="expected a mark with an exact test"):
        certify(made(Certified(message="secret")), perceptron[1], draws=1)


def test_networks_of_another_form_or_other_statistics_are_infinitely_far_away(marked):
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    moved = copy.deepcopy(model)
    with torch.no_grad():
        moved[0].bias += 2.0
    assert apart(model, moved) == pytest.approx(2 * math.sqrt(3))
    moved[1].running_mean += 1e-3
    assert apart(model, moved) == math.inf
    assert apart(model, marked[1].model) == math.inf
