"""Filters before a stolen model: which marks each hides, and at what price.

The thief has all of the owner's data here, his best case.
"""

import pytest
import torch

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.evasion import _autoencoder
from modelmark.attacks.evasion.reconstruct import Reconstruct
from modelmark.attacks.serving import answered, served
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.function import BlackBox

MARKS = ("adi", "deepsigns-blackbox", "coupled", "null")


def measured(attack, stolen, digits):
    """The marks that are no longer established, and the largest loss of right answers on any marked model."""
    removed, losses = set(), []
    for name in MARKS:
        mark, model = stolen(name)
        api = served(model)
        assert mark.evidence(BlackBox(api)).established
        filtered = attack(api, digits, seed=3)
        losses.append(answered(api, digits) - answered(filtered, digits))
        if not mark.evidence(BlackBox(filtered)).established:
            removed.add(name)
    return removed, max(losses)


EVERY = set(MARKS)


@pytest.mark.slow
def test_reconstruct_hides_every_mark(stolen, digits):
    attack = Reconstruct()
    _, model = stolen("adi")
    trained = _autoencoder.trained(
        digits.train_inputs, code=attack.code, noise=attack.noise, steps=attack.steps, seed=3
    )

    def shared(answer, task, *, seed):  # one training for four models: it does not depend on them
        return _pictures.filtered(answer, task.feed, lambda x: _autoencoder.repeated(trained, x))

    inputs = Normalise(digits.feed)(digits.test_inputs[:20])
    assert torch.equal(attack(served(model), digits, seed=3)(inputs), shared(served(model), digits, seed=3)(inputs))
    found, lost = measured(shared, stolen, digits)
    assert found == EVERY
    assert lost <= 0.05
