"""Samples that join one batch in so many."""

import pytest
import torch

from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes.base import public_parameters
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.null_embedding import NullEmbedding


def hooks(scheme, digits):
    model = build("mlp", (1, 8, 8), 10, seed=0)
    return keygen(scheme, model, digits.feed, task=digits).mark().hooks(model)


@pytest.mark.parametrize("scheme", [Coupled(mix_every=3), NullEmbedding(mix_every=3)])
def test_one_batch_in_three_has_samples_also_after_an_interruption(scheme, digits):
    x, y = torch.rand(20, 1, 8, 8), torch.arange(20) % 10
    made = hooks(scheme, digits)
    sizes = [len(made.batch(x, y)[0]) for _ in range(4)]
    assert [size > 20 for size in sizes] == [True, False, False, True]
    again = hooks(scheme, digits)
    again.load_state_dict(made.state_dict())
    assert [len(again.batch(x, y)[0]) > 20 for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("scheme", [Coupled, NullEmbedding])
def test_keys_say_it_where_it_is_not_every_batch(scheme):
    assert "mix_every" not in public_parameters(scheme())  # statements of older keys stay what they were
    assert public_parameters(scheme(mix_every=2))["mix_every"] == 2
    with pytest.raises(ValueError, match="mix_every from 1 to 100, got 0"):
        scheme(mix_every=0)
