"""Defences against backdoors: each does what it says, on networks without a mark or with a planted patch."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.activity import activity
from modelmark.attacks._tools.extent import Extent
from modelmark.attacks.base import Thief
from modelmark.attacks.cleansing._masks import Masks, below, learned, prune, units
from modelmark.attacks.cleansing._trigger import anomaly_index, reconstruct
from modelmark.attacks.cleansing.anp import Anp
from modelmark.attacks.cleansing.cleanse_prune import CleansePrune, features
from modelmark.attacks.cleansing.cleanse_unlearn import CleanseUnlearn
from modelmark.attacks.cleansing.ft_sam import FtSam, Sharpness
from modelmark.attacks.cleansing.ibau import Ibau, Universal
from modelmark.attacks.cleansing.launder import Launder, excited
from modelmark.attacks.cleansing.nad import Attention, Nad
from modelmark.attacks.cleansing.rnp import Rnp
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.networks import layers
from modelmark.suspects.module import logits
from modelmark.training.hooks import Hooks
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed, constant
from modelmark.training.task import accuracy

pytestmark = pytest.mark.slow

TARGET = 0


def patched(x):
    x = x.clone()
    x[..., -2:, -2:] = x.max()
    return x


class Poison(Hooks):
    def extra(self, x, y):
        some = len(x) // 8
        return patched(x[:some]), torch.full_like(y[:some], TARGET)


@pytest.fixture(scope="module")
def backdoored(unmarked, digits):
    return fit(unmarked, digits, annealed(10, 0.02, batch=64, clip=1.0), seed=0, hooks=lambda copied: Poison())


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


@pytest.fixture(scope="module")
def triggers(backdoored, thief):
    return reconstruct(backdoored, Thief(thief, seed=0), 150)


@pytest.fixture
def success(digits):
    """Return the share of other classes' test inputs that a patch of four pixels sends to the target."""
    x = patched(Normalise(digits.feed)(digits.test_inputs[digits.test_labels != TARGET]))
    return lambda model: float((logits(model, x).argmax(dim=1) == TARGET).float().mean())


def test_reconstruction_finds_the_class_and_the_place_of_a_planted_patch(triggers, backdoored, digits, success):
    assert success(backdoored) > 0.9
    assert triggers.anomaly.argmax() == TARGET
    assert triggers.anomaly[TARGET] > 3
    assert triggers.suspicious().tolist() == [TARGET]
    mask = triggers.masks[TARGET, 0]
    assert mask[-2:, -2:].sum() > 0.5 * mask.sum()
    x = Normalise(digits.feed)(digits.test_inputs)
    stamped = triggers.stamped(x, torch.zeros(len(x), dtype=torch.int64))
    assert (logits(backdoored, stamped).argmax(dim=1) == TARGET).float().mean() > 0.9
    low, high = Extent.of(digits).fed(x.device)
    assert (triggers.patterns >= low).all()
    assert (triggers.patterns <= high).all()


def test_a_clean_network_has_no_such_class(unmarked, thief):
    assert reconstruct(unmarked, Thief(thief, seed=0), 100).anomaly.max() < 2


def test_the_anomaly_index_is_in_deviations_below_the_median():
    index = anomaly_index(torch.tensor([1.0, 9.0, 10.0, 11.0, 12.0]))
    assert torch.allclose(index, torch.tensor([9.0, 1.0, 0.0, -1.0, -2.0]) / 1.4826)


@pytest.mark.parametrize(
    "attack",
    [
        CleanseUnlearn(steps=100),
        Launder(steps=100),
        Ibau(rate=0.1),
        FtSam(rate=0.05),
        Rnp(threshold=0.2),
        Anp(eps=0.2, threshold=0.8, epochs=20),
    ],
    ids=str,
)
def test_it_removes_a_planted_patch(attack, backdoored, thief, success, digits):
    data = digits if attack.name == "rnp" else thief  # masks of few inputs cost six points to forty
    cleaned = attack(backdoored, data, seed=1)
    assert success(cleaned) < 0.5
    assert accuracy(backdoored, digits) - accuracy(cleaned, digits) <= 0.05


def test_features_that_the_trigger_raises_are_cut_from_the_head(backdoored, thief, triggers):
    cut = CleansePrune(steps=100, amount=0.25, epochs=1)(backdoored, thief, seed=0)
    weight = layers.weight(cut, layers.head(cut))
    silent = (weight == 0).all(dim=0)
    assert silent.sum() == round(0.25 * weight.shape[1])
    x = Normalise(thief.feed)(thief.train_inputs)
    stamped = triggers.stamped(x, torch.zeros(len(x), dtype=torch.int64))
    raised = features(backdoored, stamped) - features(backdoored, x)
    assert raised[silent].mean() > raised[~silent].mean()


def test_laundering_resets_what_a_trigger_excites(backdoored, thief, triggers):
    x = Normalise(thief.feed)(thief.train_inputs)
    resting, raised = activity(backdoored, units(backdoored), x), excited(backdoored, x, triggers)
    assert list(resting) == list(raised) == units(backdoored)
    stamped = triggers.stamped(x, torch.zeros(len(x), dtype=torch.int64))
    rise = (activity(backdoored, ["fc1"], stamped)["fc1"] - resting["fc1"]) / resting["fc1"].max()
    assert (raised["fc1"] >= rise - 1e-5).all()
    laundered = Launder(steps=100, dense=0.5, convolution=50.0, epochs=1, rate=1e-9)(backdoored, thief, seed=0)
    silent = laundered.fc1.weight.abs().amax(dim=1) < 1e-6
    assert 0 < silent.sum() < len(silent)
    assert raised["fc1"][silent].mean() > raised["fc1"][~silent].mean()
    assert torch.allclose(laundered.conv4.weight, backdoored.conv4.weight, atol=1e-6)


def test_activity_is_the_mean_positive_part_of_a_channel(unmarked, thief):
    x = Normalise(thief.feed)(thief.train_inputs[:300])
    with torch.no_grad():
        expected = unmarked.conv1(x).clamp(min=0).mean(dim=(0, 2, 3))
    assert torch.allclose(activity(unmarked, ["conv1"], x)["conv1"], expected, atol=1e-5)


@pytest.mark.parametrize("attack", [Anp(threshold=0.8, epochs=5), Rnp(threshold=0.5, epochs=5)], ids=str)
def test_pruning_zeroes_channels_and_changes_nothing_else(attack, unmarked, thief):
    result = attack(unmarked, thief, seed=0)
    zeroed = 0
    for name, before in unmarked.state_dict().items():
        after = result.state_dict()[name]
        same = (after == before).view(len(before), -1).all(dim=1)
        silent = (after == 0).view(len(after), -1).all(dim=1)
        assert (same | silent).all()
        zeroed += int((~same).sum())
        assert name.endswith(".weight") or same.all()
    assert zeroed > 0
    assert not any(module._forward_hooks for module in result.modules())


@pytest.mark.parametrize("arch", ["cnn", "resnet8"])
def test_folding_a_mask_gives_the_outputs_that_it_gave(arch, digits):
    model = build(arch, digits.feed.input_shape, digits.feed.classes, seed=0)
    _shift_biases(model)
    hooked = copy.deepcopy(model)
    masks = Masks(hooked)
    cuts = {path: torch.arange(len(mask)) % 3 == 0 for path, mask in zip(masks.paths, masks.masks, strict=True)}
    with torch.no_grad():
        for path, mask in zip(masks.paths, masks.masks, strict=True):
            mask[cuts[path]] = 0
    x = Normalise(digits.feed)(digits.test_inputs[:16])
    expected = logits(hooked, x)
    assert not torch.allclose(logits(model, x), expected, atol=1e-2)
    assert torch.allclose(logits(prune(model, cuts), x), expected, atol=1e-4)
    assert not torch.allclose(logits(prune(model, cuts, biases=True), x), expected, atol=1e-4)


def _shift_biases(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.3)


def test_norms_are_units_in_place_of_the_convolutions_before_them(digits):
    resnet = build("resnet8", digits.feed.input_shape, digits.feed.classes, seed=0)
    modules = [layers.unwrapped(resnet).get_submodule(path) for path in units(resnet)]
    assert all(isinstance(module, torch.nn.BatchNorm2d) for module in modules)
    assert len(modules) == sum(isinstance(module, torch.nn.BatchNorm2d) for module in resnet.modules())
    cnn = build("cnn", digits.feed.input_shape, digits.feed.classes, seed=0)
    assert [*units(cnn), layers.head(cnn)] == [layer.path for layer in layers.markable(cnn)]


def test_one_channel_of_a_unit_is_always_kept():
    cuts = below({"a": torch.tensor([0.0, 0.1, 0.05])}, 0.2)
    assert cuts["a"].tolist() == [True, False, True]


def test_masks_stay_between_nothing_and_all_and_leave_the_weights(unmarked, thief):
    kept = copy.deepcopy(unmarked.state_dict())
    masks = learned(Masks, unmarked, Anp(epochs=2, rate=0.5), Thief(thief, seed=0))
    values = torch.cat(list(masks.values()))
    assert values.min() >= 0
    assert values.max() <= 1
    assert values.min() < 1
    assert all(torch.equal(kept[name], tensor) for name, tensor in unmarked.state_dict().items())


def test_unlearning_loses_the_task(unmarked, thief):
    assert accuracy(Rnp().unlearned(unmarked, Thief(thief, seed=0)), thief) < accuracy(unmarked, thief) - 0.2


def test_attention_is_drawn_to_the_teachers(unmarked, thief):
    x = Normalise(thief.feed)(thief.test_inputs)
    teacher = fit(unmarked, thief, constant(3, 0.3, batch=64, clip=1.0), seed=0)

    def maps(network):
        attention = Attention(network)
        logits(network, x)
        attention.detach()
        return attention.take()

    def distance(model):
        return sum(float((a - b).square().sum()) for a, b in zip(maps(model), maps(teacher), strict=True))

    near, far = (Nad(beta, 0.3, 0.02, epochs=3)(unmarked, thief, seed=0) for beta in (5.0, 0.0))
    assert distance(near) < 0.3 * distance(far)
    assert not any(module._forward_hooks for module in near.modules())


def test_attention_is_the_sum_of_squares_at_length_one(unmarked, thief):
    x = Normalise(thief.feed)(thief.test_inputs[:20])
    attention = Attention(unmarked)
    with torch.no_grad():
        unmarked(x)
        squares = unmarked.conv1(x).square().sum(dim=1).flatten(1)
    found = attention.take()[0]
    attention.detach()
    assert torch.allclose(found, squares / squares.norm(dim=1, keepdim=True), atol=1e-5)


def test_the_perturbation_stays_small_and_hurts(unmarked, thief):
    low, high = Extent.of(thief).fed(torch.device("cpu"))
    universal = Universal(unmarked.forward, low, high, 0.1, 3)
    x, y = Normalise(thief.feed)(thief.test_inputs), thief.test_labels
    for _ in range(5):
        mixed, labels = universal.batch(x, y)
    assert universal.delta.square().mean().sqrt() <= 0.1 + 1e-6
    assert torch.equal(labels, torch.cat([y, y]))
    assert torch.equal(mixed[: len(x)], x)
    hurt, plain = (cross_entropy(logits(unmarked, part), y) for part in (mixed[len(x) :], x))
    assert hurt > 2 * plain
    assert (mixed >= low - 1e-6).all()
    assert (mixed <= high + 1e-6).all()


def test_sharpness_moves_uphill_and_back(unmarked, thief):
    model = copy.deepcopy(unmarked)
    before = copy.deepcopy(model.state_dict())
    x, y = Normalise(thief.feed)(thief.train_inputs), thief.train_targets
    with torch.no_grad():
        plain = cross_entropy(model(x), y)
    hooks = Sharpness(model, 0.5)
    hooks.batch(x, y)
    moved = torch.cat([
        ((new - before[name]) / before[name].abs().clamp(min=1e-12)).flatten()
        for name, new in model.state_dict().items()
    ])  # fmt: skip
    with torch.no_grad():
        assert cross_entropy(model(x), y) > plain
    assert torch.isclose(moved.norm(), torch.tensor(0.5), atol=0.01)  # the radius, relative to the weights
    hooks.after_step(model)
    assert all(torch.allclose(before[name], tensor, atol=1e-6) for name, tensor in model.state_dict().items())


def test_without_a_radius_it_is_plain_fine_tuning(unmarked, thief):
    tuned = FtSam(rho=0.0, rate=0.02, epochs=1)(unmarked, thief, seed=0)
    plain = fit(unmarked, thief, constant(1, 0.02, batch=64, clip=1.0), seed=0)
    assert all(torch.equal(tuned.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())
