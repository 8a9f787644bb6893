"""Filters that tell queries apart: densities, thresholds, second models, and answers that repeat themselves."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.evasion import _content, _density, _nets
from modelmark.attacks.evasion.agree import Agree
from modelmark.attacks.evasion.randomise import Randomise
from modelmark.attacks.evasion.refuse import Refuse
from modelmark.attacks.serving import answered, served
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.base import ABSTAIN


def test_random_labels_are_even_and_others_are_others():
    prints = _content.fingerprints(torch.rand(5000, 1, 4, 4, generator=torch.Generator().manual_seed(0)), 1)
    assert len(prints.unique()) == 5000
    drawn = _content.labels(prints, 10)
    counts = torch.bincount(drawn, minlength=10).double()
    assert float(((counts - 500) ** 2 / 500).sum()) < 30  # chi-square of 9 degrees: beyond 30 once in 2,300
    other = _content.other_labels(prints, drawn, 10)
    assert not (other == drawn).any()
    assert set(other.tolist()) == set(range(10))


@pytest.mark.parametrize("seed", [1, 2**31 - 1, 2**63])
def test_any_seed_gives_fingerprints_of_its_own(seed):
    pictures = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert not (_content.fingerprints(pictures, seed) == _content.fingerprints(pictures, 7)).any()


def test_the_density_is_that_of_probabilistic_principal_components():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(300, 12, generator=generator) @ torch.randn(12, 12, generator=generator)
    found = _density.fitted(vectors, 0.8, seed=0)
    other = torch.randn(50, 12, generator=generator) * 3
    reference = PCA(len(found.deviations)).fit(vectors.double().numpy()).score_samples(other.double().numpy())
    constant = reference + 0.5 * 299 / 300 * found.distance(other).double().square().numpy()
    assert np.ptp(constant) < 1e-3 * np.ptp(reference)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 1.0])
def test_the_threshold_costs_no_more_than_said(loss):
    generator = torch.Generator().manual_seed(0)
    scores, harmed = torch.rand(200, generator=generator), torch.rand(200, generator=generator) < 0.5
    limit = _nets.threshold(scores, harmed, loss)
    assert int((harmed & (scores > limit)).sum()) == min(int(loss * 200), int(harmed.sum()))


def test_refuse_and_randomise_act_outside_only(unmarked, digits):
    api = served(unmarked)
    inputs = Normalise(digits.feed)(digits.test_inputs)
    noise = _pictures.fed(torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0)), digits.feed)
    plain = api(inputs)
    refuse, randomise = Refuse()(api, digits, seed=0), Randomise()(api, digits, seed=0)
    assert (refuse(noise) == ABSTAIN).all()
    drawn = randomise(noise)
    assert torch.equal(drawn, randomise(noise))
    assert torch.equal(drawn[5:9], randomise(noise[5:9]))
    assert len(drawn.unique()) == 10
    assert (drawn == api(noise)).float().mean() < 0.25
    refused = refuse(inputs) == ABSTAIN
    assert 0 < refused.float().mean() < 0.03  # 0.01 of held-out training data; test digits are by other writers
    assert torch.equal(refuse(inputs)[~refused], plain[~refused])
    assert torch.equal(randomise(inputs)[~refused], plain[~refused])
    shares = [
        float((Refuse(loss=loss)(api, digits, seed=0)(inputs) == ABSTAIN).float().mean()) for loss in (0.0, 0.05, 1)
    ]
    assert shares[0] < shares[1] < 0.1
    assert shares[2] == 1


@pytest.mark.usefixtures("once_trained")
def test_agree_refuses_or_overrules_where_a_second_model_disagrees(unmarked, digits):
    inputs = Normalise(digits.feed)(digits.test_inputs)
    right = served(unmarked)

    def wrong(x):  # what is dark on the whole is answered wrongly
        given = right(x)
        return torch.where(x.flatten(1).sum(1) > 0, given, (given + 1) % 10)

    lied = wrong(inputs) != right(inputs)
    assert 0.2 < lied.float().mean() < 0.8
    refusing = Agree(epochs=12, loss=1.0)(wrong, digits, seed=0)(inputs)
    assert (refusing[lied] == ABSTAIN).float().mean() > 0.9
    assert (refusing[~lied] == right(inputs)[~lied]).float().mean() > 0.9
    own = Agree("own", epochs=12, loss=1.0)(wrong, digits, seed=0)(inputs)
    assert (own == digits.test_labels).float().mean() > 0.9  # the second model by itself
    assert torch.equal(own[refusing != ABSTAIN], refusing[refusing != ABSTAIN])
    assert answered(Agree(epochs=12)(right, digits, seed=0), digits) > answered(right, digits) - 0.02
