"""Attacks that keep the function: through the battery, with the controls that they keep it and change the weights."""

import pytest
import torch

import nets
from modelmark.attacks.symmetries.dummy import Dummy
from modelmark.attacks.symmetries.flip import Flip
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.errors import UsageError
from modelmark.models import build
from modelmark.networks import layers
from modelmark.testing import check_attack
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import accuracy


@pytest.fixture(scope="module")
def plain(digits):
    return fit(nets.cnn(digits), digits, annealed(1, 0.05, batch=64, clip=1.0), seed=0)


@pytest.fixture(scope="module")
def normalised(digits):
    fresh = build("resnet8", digits.feed.input_shape, digits.feed.classes, seed=0)
    return fit(fresh, digits, annealed(1, 0.1, batch=64), seed=0)


def assert_disguised(attacked, model, digits):
    """Check that outputs are the same and that no hidden layer has its weights left."""
    x = torch.randn(64, *digits.feed.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(attacked(x), model(x), rtol=1e-4, atol=1e-4)
    for layer in layers.markable(model)[1:-1]:
        ours, theirs = layers.weight(model, layer.path), layers.weight(attacked, layer.path)
        assert ours.shape != theirs.shape or not torch.allclose(ours, theirs), layer.path


@pytest.mark.parametrize("attack", [Permute(), Rescale(), Rescale(spread=100.0), Dummy(), Dummy(share=1.0)], ids=str)
def test_without_batch_norm(attack, plain, digits):
    attacked = check_attack(attack, plain, digits, floor=accuracy(plain, digits) - 0.01)
    assert_disguised(attacked, plain, digits)


@pytest.mark.parametrize("attack", [Permute(), Rescale(), Flip(), Dummy()], ids=str)
def test_with_batch_norm_and_residual_streams(attack, normalised, digits):
    attacked = check_attack(attack, normalised, digits, floor=accuracy(normalised, digits) - 0.01)
    assert_disguised(attacked, normalised, digits)


def test_permute_moves_whole_filters(plain, digits):
    sums = [
        layers.weight(model, "conv1").sum(dim=(1, 2, 3)).sort().values
        for model in (plain, Permute()(plain, digits, seed=1))
    ]
    torch.testing.assert_close(*sums)


def test_rescale_stays_within_its_spread(plain, digits):
    ratio = layers.weight(Rescale(spread=4.0)(plain, digits, seed=1), "conv1") / layers.weight(plain, "conv1")
    assert 0.25 <= ratio.min() < 0.5
    assert 2 < ratio.max() <= 4
    kept = Rescale(spread=1.0)(plain, digits, seed=1)
    torch.testing.assert_close(kept.state_dict(), plain.state_dict())


def test_flip_negates_about_half_of_the_filters_and_needs_something_that_takes_the_sign_back(normalised, plain, digits):
    attacked = Flip()(normalised, digits, seed=1)
    ours, theirs = layers.weight(normalised, "conv1.conv"), layers.weight(attacked, "conv1.conv")
    negated = (theirs == -ours).flatten(1).all(dim=1)
    assert torch.equal(theirs[~negated], ours[~negated])
    assert 0.2 < negated.float().mean() < 0.8
    with pytest.raises(UsageError, match="sign"):
        Flip()(plain, digits, seed=1)


@pytest.mark.parametrize(("share", "added"), [(0.1, 4), (1.0, 32)])
def test_dummy_adds_units_that_nothing_listens_to(share, added, plain, digits):
    attacked = Dummy(share)(plain, digits, seed=1)
    incoming, outgoing = (layers.weight(attacked, path).detach() for path in ("conv1", "conv2"))
    assert incoming.shape[0] == outgoing.shape[1] == 32 + added
    assert attacked.conv1.out_channels == attacked.conv2.in_channels == 32 + added
    real = {filters.numpy().tobytes() for filters in layers.weight(plain, "conv1").detach()}
    idle = torch.tensor([filters.numpy().tobytes() not in real for filters in incoming])
    assert int(idle.sum()) == added
    own = torch.tensor([len(set(filters[idle].flatten().tolist()) - {0.0}) == 0 for filters in outgoing])
    assert int(own.sum()) == 32  # the real channels of conv2 do not hear those added to conv1
    assert float(incoming[idle].std()) == pytest.approx(float(incoming[~idle].std()), rel=0.5)
    assert layers.weight(attacked, "head").shape[0] == 10


@pytest.mark.parametrize("attack", [Permute(), Rescale(), Dummy()])
def test_a_model_without_hidden_channels_is_refused(attack, digits):
    with pytest.raises(UsageError, match="hidden channels"):
        attack(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)), digits, seed=0)
