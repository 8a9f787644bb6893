"""Attacks on weights as numbers: how far they move them, and what that does to marks. The thief has all of the data."""

import pytest
import torch

from modelmark.attacks.weights.average import Average
from modelmark.attacks.weights.low_rank import LowRank
from modelmark.attacks.weights.noise import Noise
from modelmark.attacks.weights.quantise import Quantise
from modelmark.attacks.weights.shift import Shift
from modelmark.networks import layers
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import accuracy


def weights(model):
    return {layer.path: layers.weight(model, layer.path).detach() for layer in layers.markable(model)}


def removed(attack, stolen, task, scheme):
    """Return whether the mark is gone, and the accuracy lost."""
    mark, model = stolen(scheme)
    attacked = attack(model, task, seed=0)
    return not mark.evidence(WhiteBox(attacked)).established, accuracy(model, task) - accuracy(attacked, task)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_quantised_weights_take_as_many_values_as_the_bits_say(bits, stolen, digits):
    _, model = stolen("adi")
    for weight in weights(Quantise(bits, "layer")(model, digits, seed=0)).values():
        assert len(weight.unique()) <= 2**bits
    for weight in weights(Quantise(bits)(model, digits, seed=0)).values():
        assert max(len(row.unique()) for row in weight) <= 2**bits


def test_rounding_moves_a_weight_by_half_a_step_at_most(stolen, digits):
    _, model = stolen("adi")
    for path, weight in weights(Quantise(4, "layer")(model, digits, seed=0)).items():
        step = (weights(model)[path].max() - weights(model)[path].min()) / 15
        assert (weight - weights(model)[path]).abs().max() <= step / 2 * (1 + 1e-4)


@pytest.mark.parametrize("scheme", ["adi", "uchida"])
def test_quantising_removes_nothing_here_before_the_model_is_ruined(scheme, stolen, digits):
    for settings in Quantise.strengths:
        gone, lost = removed(Quantise(**settings), stolen, digits, scheme)
        assert not gone or lost > 0.05


def test_noise_has_the_deviation_it_says_and_removes_nothing_here(stolen, digits):
    _, model = stolen("adi")
    for path, weight in weights(Noise(0.2)(model, digits, seed=0)).items():
        if weight.numel() > 500:
            own = weights(model)[path]
            assert float((weight - own).std()) == pytest.approx(0.2 * float(own.std()), rel=0.1)
    for settings in Noise.strengths:
        gone, lost = removed(Noise(**settings), stolen, digits, "adi")
        assert not gone or lost > 0.05


def test_low_rank_keeps_the_rank_it_says(stolen, digits):
    _, model = stolen("adi")
    for weight in weights(LowRank(0.25)(model, digits, seed=0)).values():
        full = min(weight.flatten(1).shape)
        assert int(torch.linalg.matrix_rank(weight.flatten(1), rtol=1e-4)) <= max(round(0.25 * full), 1)
    same = weights(LowRank(1.0)(model, digits, seed=0))
    torch.testing.assert_close(same, weights(model), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scheme", ["adi", "uchida"])
def test_low_rank_removes_nothing_here_before_the_model_is_ruined(scheme, stolen, digits):
    for settings in LowRank.strengths:
        gone, lost = removed(LowRank(**settings), stolen, digits, scheme)
        assert not gone or lost > 0.05
    assert lost > 0.05, "the sweep ends before the model is ruined"


@pytest.mark.parametrize(("strength", "least", "most"), [(0.5, 240, 256), (1.0, 96, 160), (1.5, 0, 16)])
def test_shifting_by_the_mean_filter_erases_bits_and_beyond_turns_them_around(strength, least, most, stolen, digits):
    """At 1.0 what is left is chance, four deviations about a half of 256; else one bit in 16 may go its own way."""
    mark, model = stolen("uchida")
    attacked = Shift(strength)(model, digits.subset(480, seed=0), seed=0)
    evidence = mark.evidence(WhiteBox(attacked))
    assert least <= evidence.matches <= most
    assert evidence.established is (strength < 1)
    assert accuracy(model, digits) - accuracy(attacked, digits) <= 0.05


def test_a_shift_of_one_without_noise_leaves_no_mean_filter(stolen, digits):
    """Seen before the tuning: a rate of next to nothing."""
    _, model = stolen("uchida")
    for path, weight in weights(Shift(1.0, 0.0, 1e-9, 1)(model, digits, seed=0)).items():
        assert weight.mean(dim=0).abs().max() < 1e-4 * weights(model)[path].abs().max() + 1e-6


def test_an_average_lies_between_its_two_models(stolen, digits):
    _, model = stolen("adi")
    none, half, other = (
        Average(share, epochs=2)(model, digits.subset(240, seed=0), seed=0).state_dict()["fc1.weight"]
        for share in (0.0, 0.5, 1.0)
    )
    assert torch.equal(none, model.state_dict()["fc1.weight"])
    torch.testing.assert_close(half, (none + other) / 2)
    assert not torch.equal(none, other)


def test_eight_bits_change_nothing_that_is_read(stolen, digits):
    pytest.importorskip("torchao", reason="needs the extra 'attacks'")
    from modelmark.attacks.weights.int8 import Int8

    mark, model = stolen("uchida")
    attacked = Int8()(model, digits, seed=0)
    change = (attacked.fc1.weight - model.fc1.weight).abs()
    assert change.max() > 0
    step = model.fc1.weight.abs().amax(dim=1) / 127
    assert (change.amax(dim=1) <= step / 2 * (1 + 1e-4)).all()
    assert torch.equal(attacked.conv1.weight, model.conv1.weight)
    assert mark.evidence(WhiteBox(attacked)).matches == 256  # as of ten secrets out of ten
