"""Symmetries of transformers: every answer stays to rounding, and the weights do not."""

import pytest
import torch

import attending
from modelmark.attacks.symmetries.flip import Flip
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.permute_heads import PermuteHeads
from modelmark.attacks.symmetries.permute_stream import PermuteStream
from modelmark.attacks.symmetries.permute_units import PermuteUnits
from modelmark.attacks.symmetries.raise_means import RaiseMeans
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.scale_stream import ScaleStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.errors import UsageError

ATTENTION = ("in_proj", "out_proj", "q_proj", "k_proj", "v_proj", "o_proj")
PERCEPTRON = ("linear1", "linear2", "gate_proj", "up_proj", "down_proj")
WRITERS = ("out_proj", "o_proj", "linear2", "down_proj")
CASES = [
    (PermuteHeads(), ATTENTION),
    (PermuteUnits(), PERCEPTRON),
    (PermuteStream(), ATTENTION + PERCEPTRON),
    (TurnHeads(), ATTENTION),
    (ScaleStream(), WRITERS),
    (RotateStream(), ATTENTION + PERCEPTRON),
    (RaiseMeans(), WRITERS),
    (RaiseMeans(how="noise"), WRITERS),
    (Permute(), ATTENTION + PERCEPTRON),
    (Rescale(), ("out_proj", "v_proj", "o_proj", "up_proj", "down_proj")),
    (Flip(), ("out_proj", "v_proj", "o_proj", "up_proj", "down_proj")),
]
AFTER = (ScaleStream, RotateStream)


@pytest.mark.parametrize("make", [attending.seeing, attending.reading, attending.after], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("attack", "moved"), CASES, ids=str)
def test_answers_stay_and_weights_do_not(attack, moved, make):
    model = make()
    refused = (make is attending.after and isinstance(attack, AFTER)) or (
        make is attending.reading and isinstance(attack, RaiseMeans)
    )
    if refused:
        with pytest.raises(UsageError, match="expected a stream"):
            attack(model, None, seed=2)
        return
    attacked = attack(model, None, seed=2)
    with torch.no_grad():
        x = attending.inputs(model)
        torch.testing.assert_close(attacked(x), model(x), rtol=1e-4, atol=1e-4)
    before, after = model.state_dict(), attacked.state_dict()
    for name in before:
        if any(word in name for word in moved) and name.endswith("weight"):
            assert not torch.allclose(before[name], after[name], rtol=1e-2, atol=1e-2), name


def test_a_head_that_shares_its_table_gets_its_own_only_where_it_must():
    tied = attending.reading(tied=True)
    assert tied.lm_head.weight is tied.embed_tokens.weight
    moved, turned = PermuteStream()(tied, None, seed=2), RotateStream()(tied, None, seed=1)
    assert moved.lm_head.weight is moved.embed_tokens.weight
    assert turned.lm_head.weight is not turned.embed_tokens.weight
    with torch.no_grad():
        for model in (moved, turned):
            torch.testing.assert_close(
                model(attending.inputs(model)), tied(attending.inputs(tied)), rtol=1e-4, atol=1e-4
            )
