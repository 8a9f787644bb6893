"""Spoil: no answer on the thief's data changes, and what it leaves outweighs all other channels."""

import pytest
import torch
from torch import nn

from modelmark.attacks.symmetries.spoil import Spoil
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.suspects.module import logits


@pytest.mark.parametrize("how", ["dead", "constant"])
@pytest.mark.parametrize(
    ("net", "share"),
    [
        *(("cnn", 0.02), ("resnet8", 0.3), ("mlp", 0.02)),
        pytest.param("cnn", 0.3, marks=pytest.mark.slow),
        pytest.param("resnet8", 0.02, marks=pytest.mark.slow),
        pytest.param("mlp", 0.3, marks=pytest.mark.slow),  # of a thousand channels
    ],
)
def test_no_answer_on_the_thiefs_data_changes(digits, net, share, how):
    """On untrained networks too, of which every channel matters somewhere."""
    model = build(net, digits.feed.input_shape, 10, seed=1).eval()
    thief = digits.subset(96, seed=0)
    spoilt = Spoil(how=how, share=share)(model, thief, seed=0)
    inputs = Normalise(digits.feed)(thief.train_inputs)
    assert torch.equal(logits(model, inputs).argmax(1), logits(spoilt, inputs).argmax(1))


def test_a_spoilt_filter_outweighs_the_mean_of_all(unmarked, digits):
    spoilt = Spoil(share=0.001)(unmarked, digits, seed=0)
    before, after = (model.conv4.weight.mean(dim=0) for model in (unmarked, spoilt))
    assert after.norm() > 100 * before.norm()
    (row,) = (spoilt.conv4.weight != unmarked.conv4.weight).flatten(1).all(dim=1).nonzero().flatten().tolist()
    assert spoilt.conv4.bias[row] == -1e9


def test_a_spoilt_unit_is_constant_and_nothing_listens_to_it(unmarked, digits):
    spoilt = Spoil(how="constant", share=0.001)(unmarked, digits, seed=0)
    (unit,) = (spoilt.fc1.bias == 1e4).nonzero().flatten().tolist()
    assert not spoilt.fc1.weight[unit].any()
    assert not spoilt.head.weight[:, unit].any()


def test_a_model_without_hidden_channels_is_refused(digits):
    with pytest.raises(UsageError, match="hidden channels"):
        Spoil()(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, seed=0)
