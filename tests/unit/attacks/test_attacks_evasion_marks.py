"""Filters before a stolen model: which marks each hides, and at what price.

The thief has all of the owner's data here, his best case.
"""

import pytest
import torch

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.evasion import _autoencoder
from modelmark.attacks.evasion.agree import Agree
from modelmark.attacks.evasion.gaussian_filter import GaussianFilter
from modelmark.attacks.evasion.input_noise import InputNoise
from modelmark.attacks.evasion.jpeg import Jpeg
from modelmark.attacks.evasion.mean_filter import MeanFilter
from modelmark.attacks.evasion.median_filter import MedianFilter
from modelmark.attacks.evasion.mirror import Mirror
from modelmark.attacks.evasion.quantise_input import QuantiseInput
from modelmark.attacks.evasion.randomise import Randomise
from modelmark.attacks.evasion.reconstruct import Reconstruct
from modelmark.attacks.evasion.refuse import Refuse
from modelmark.attacks.evasion.rotate import Rotate
from modelmark.attacks.evasion.shrink import Shrink
from modelmark.attacks.evasion.squeeze import Squeeze
from modelmark.attacks.serving import answered, served
from modelmark.preprocess import Normalise
from modelmark.suspect import BlackBox

MARKS = ("adi", "deepsigns-blackbox", "coupled", "null")


def measured(attack, stolen, digits):
    """The marks that are no longer established, and the largest loss of right answers on any marked model."""
    removed, losses = set(), []
    for name in MARKS:
        mark, model = stolen(name)
        api = served(model)
        assert mark.evidence(BlackBox(api, 10)).established
        filtered = attack(api, digits, seed=3)
        losses.append(answered(api, digits) - answered(filtered, digits))
        if not mark.evidence(BlackBox(filtered, 10)).established:
            removed.add(name)
    return removed, max(losses)


EVERY = set(MARKS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attack", "removed"),
    [
        # null patterns lie outside a picture's range, and clamping is part of every filter: 8 bits do nothing else
        (Squeeze(8), {"null"}),
        (Squeeze(4), {"null"}),
        (QuantiseInput(16), {"null"}),
        (QuantiseInput(10), {"null"}),
        (Jpeg(95), {"null"}),
        (Jpeg(65), {"null"}),
        (Jpeg(20), {"null", "coupled"}),
        (InputNoise(0.05), {"null"}),
        (InputNoise(0.1), {"null"}),
        (GaussianFilter(0.7), {"null", "coupled"}),
        (Rotate(2), {"null"}),
        (Refuse(), EVERY),
        (Randomise(), EVERY),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_marks_hidden_for_five_points_or_fewer(attack, removed, stolen, digits):
    found, lost = measured(attack, stolen, digits)
    assert lost <= 0.05
    assert found == removed


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [MeanFilter(3), MedianFilter(3), Mirror(), GaussianFilter(1.0), Rotate(20), Shrink(0.5)], ids=repr
)
def test_marks_hidden_for_more_than_five_points(attack, stolen, digits):
    # pictures of 8 x 8 bear little smoothing: what hides every mark ruins the model's use, too
    found, lost = measured(attack, stolen, digits)
    assert found == EVERY
    assert lost > 0.1


@pytest.mark.slow
def test_reconstruct_hides_every_mark(stolen, digits):
    attack = Reconstruct()
    _, model = stolen("adi")
    trained = _autoencoder.trained(
        digits.train_inputs, code=attack.code, noise=attack.noise, steps=attack.steps, seed=3
    )

    def shared(answer, task, *, seed):  # one training for four models: it does not depend on them
        return _pictures.filtered(answer, task.interface, lambda x: _autoencoder.repeated(trained, x))

    inputs = Normalise(digits.interface)(digits.test_inputs[:20])
    assert torch.equal(attack(served(model), digits, seed=3)(inputs), shared(served(model), digits, seed=3)(inputs))
    found, lost = measured(shared, stolen, digits)
    assert found == EVERY
    assert lost <= 0.05


@pytest.mark.slow
def test_agree_hides_every_mark(stolen, digits):
    found, lost = measured(Agree(epochs=8), stolen, digits)
    assert found == EVERY
    assert lost <= 0.03
