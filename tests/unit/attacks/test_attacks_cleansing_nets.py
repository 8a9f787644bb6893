"""Defences against backdoors: the networks they take."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import pad

from modelmark.attacks.cleansing.anp import Anp
from modelmark.attacks.cleansing.cleanse_prune import CleansePrune
from modelmark.attacks.cleansing.cleanse_unlearn import CleanseUnlearn
from modelmark.attacks.cleansing.ft_sam import FtSam
from modelmark.attacks.cleansing.ibau import Ibau
from modelmark.attacks.cleansing.launder import Launder
from modelmark.attacks.cleansing.nad import Nad
from modelmark.attacks.cleansing.rnp import Rnp
from modelmark.models import build

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("arch", ["lenet5", "resnet8"])
@pytest.mark.parametrize(
    "attack",
    [
        Anp(epochs=1, threshold=1.0),
        CleansePrune(steps=2, epochs=1),
        CleanseUnlearn(steps=2, epochs=1),
        FtSam(epochs=1),
        Ibau(epochs=1, iterations=1),
        Launder(steps=2, epochs=1),
        Nad(epochs=1),
        Rnp(unlearning_epochs=1, epochs=1, threshold=1.0),
    ],
    ids=lambda attack: attack.name,
)
def test_networks_with_and_without_normalisation(attack, arch, digits):
    small = digits.split({"thief": 0.1}, seed=0)["thief"]
    wide = replace(small.feed, input_shape=(1, 12, 12))
    small = replace(
        small, feed=wide, train_inputs=pad(small.train_inputs, (2,) * 4), test_inputs=pad(small.test_inputs, (2,) * 4)
    )  # fmt: skip
    model = build(arch, wide.input_shape, wide.classes, seed=0)
    result = attack(model, small, seed=0)
    assert result.state_dict().keys() == model.state_dict().keys()
    assert all(tensor.isfinite().all() for tensor in result.state_dict().values())
    assert any(not torch.equal(tensor, model.state_dict()[name]) for name, tensor in result.state_dict().items())
