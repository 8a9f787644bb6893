"""``entangled``: patches, and a loss that is smaller the better triggers and data of one label are mixed."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.networks import taps
from modelmark.schemes._entangling import entanglement
from modelmark.schemes._stamps import stamped, stamps
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.entangled import Entangled
from modelmark.training.hooks import Composed

SECRET = Secret(bytes(range(32)))


@pytest.fixture
def made(perceptron, digits):
    def make(**settings):
        return keygen(Entangled(**settings), perceptron[1], digits.feed, task=digits, secret=SECRET)

    return make


def slow(features, labels, ours, temperature):
    """Sample by sample."""
    features, found = features.relu(), []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]
        near = {
            j: math.exp((float(cosine_similarity(features[i], features[j], dim=0)) - 1) / temperature) for j in others
        }
        own = [j for j in others if ours[j] == ours[i]]
        if own and len(own) < len(others):
            found.append(-math.log(sum(near[j] for j in own) / sum(near.values())))
    return sum(found) / len(found) if found else 0.0


def test_entanglement_is_what_the_definition_says():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 6, generator=generator)
    labels = torch.randint(4, (40,), generator=generator)
    ours = torch.arange(40) < 15
    assert entanglement(features, labels, ours, 0.3).item() == pytest.approx(
        slow(features, labels, ours, 0.3), rel=1e-5
    )


def test_mixed_kinds_are_more_entangled_than_parted_ones():
    ours = torch.arange(20) < 10
    labels = torch.zeros(20, dtype=torch.int64)
    parted = torch.where(ours[:, None], torch.tensor([1.0, 0]), torch.tensor([0, 1.0]))
    mixed = torch.ones(20, 2)
    assert entanglement(parted, labels, ours, 0.1) < 1e-3
    assert entanglement(mixed, labels, ours, 0.1).item() == pytest.approx(math.log(19 / 9), rel=1e-5)


def test_nothing_to_be_entangled_with_is_zero():
    features, labels = torch.rand(4, 3), torch.arange(4)
    assert entanglement(features, labels, torch.arange(4) < 2, 0.1) == 0


def test_the_loss_pulls_triggers_towards_data_of_their_label(made, perceptron, digits):
    """What the term is there for: trained with it, triggers lie nearer to data of their label."""
    found, fed = [], Normalise(digits.feed)
    for weight in (0.0, 5.0):
        key, model = made(weight=weight, triggers=60), copy.deepcopy(perceptron[1])
        hooks = key.mark().hooks(model, seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for start in range(0, 1280, 64):
            x, y = fed(digits.train_inputs[start : start + 64]), digits.train_targets[start : start + 64]
            scores = model(x)
            hooks.loss(torch.nn.functional.cross_entropy(scores, y), model, x, y, scores).backward()
            optimizer.step()
            optimizer.zero_grad()
        both = torch.cat([torch.from_numpy(key.carriers.pictures), digits.train_inputs[:300]])
        labels = torch.cat([torch.from_numpy(key.mark().message).repeat_interleave(3), digits.train_targets[:300]])
        features = taps.activations(model, "5", fed(both))
        found.append(entanglement(features, labels, torch.arange(len(labels)) < 180, 0.1).item())
    assert found[1] > found[0] + 0.1


def test_a_batch_of_triggers_comes_every_second_step(made, perceptron, digits):
    model = copy.deepcopy(perceptron[1])
    hooks = made().mark().hooks(model, seed=0)
    x, y = Normalise(digits.feed)(digits.train_inputs[:32]), digits.train_targets[:32]
    zero, scores = torch.zeros(()), model(x)
    assert [bool(hooks.loss(zero, model, x, y, scores)) for _ in range(4)] == [False, True, False, True]


def test_a_pass_beside_the_loops_own_is_no_pass_of_another_marks(made, perceptron, digits):
    """``deepsigns`` took what its layer received last: triggers of ``entangled``, where that stood before it."""
    model = copy.deepcopy(perceptron[1])
    key = keygen(DeepSigns(), model, digits.feed, task=digits, secret=Secret(bytes(32)))
    x, y = Normalise(digits.feed)(digits.train_inputs[:32]), digits.train_targets[:32]
    terms = []
    for first in (None, made(every=1)):
        own = key.mark().hooks(model, seed=0)
        hooks = own if first is None else Composed([first.mark().hooks(model, seed=0), own])
        hooks.loss(torch.zeros(()), model, x, y, model(x))  # places the centres
        loss = hooks.loss(torch.zeros(()), model, x, y, model(x))
        terms.append(loss)
    beside = made(every=1).mark().hooks(model, seed=0)
    for _ in range(2):
        alone = beside.loss(torch.zeros(()), model, x, y, model(x))
    assert terms[1].item() == pytest.approx((terms[0] + alone).item(), rel=1e-5)
    tap = taps.Tap(model, "5")
    model(x)
    model(x[:3])
    assert len(tap.take()) == 3  # as it was: the last pass
    model(x)
    with taps.aside():
        model(x[:3])
    assert len(tap.take()) == 32


def test_a_patch_is_on_all_its_pictures_and_where_the_secret_says(made):
    key = made(triggers=60, queries=4, side=3)
    places, patches = stamps(SECRET, "entangled", 60, 3, (1, 8, 8))
    assert len(key.carriers.pictures) == 240
    for number, picture in enumerate(key.carriers.pictures):
        row, column = places[number // 4]
        assert np.array_equal(picture[:, row : row + 3, column : column + 3], patches[number // 4])
    assert len({tuple(place) for place in places.tolist()}) > 20
    assert places.max() == 5


def test_all_but_the_patch_is_the_owners_picture(rng):
    pictures = rng.integers(1, 255, (5, 2, 6, 7), dtype=np.uint8)
    places, patches = stamps(SECRET, "any", 5, 2, (2, 6, 7))
    found = stamped(pictures, places, patches)
    assert ((found != pictures).sum(axis=(1, 2, 3)) == 8).all()
    assert set(found[found != pictures].tolist()) <= {0, 255}


def test_the_literal_form_has_one_class_one_patch_and_one_label(made, digits):
    key = made(message="secret", triggers=50)
    assert len(set(key.mark().message.tolist())) == 1
    assert len(key.carriers.pictures) == 50
    shown = {
        picture.tobytes(): int(label) for picture, label in zip(digits.train_inputs.numpy(), digits.labels, strict=True)
    }
    (source,) = {shown[picture.tobytes()] for picture in key.attachments["sources"]}
    assert source != key.mark().message[0]
    assert "share one label" in key.scheme.objection()


def test_refusals(perceptron, digits):
    with pytest.raises(UsageError, match="a side of at most 8 pixels, got 9"):
        keygen(Entangled(side=9), perceptron[1], digits.feed, task=digits, secret=SECRET)
    with pytest.raises(UsageError, match="expected data, got none"):
        keygen(Entangled(), perceptron[1], digits.feed, secret=SECRET)
    for settings in (
        {"queries": 0},
        {"side": 0},
        {"every": 0},
        {"weight": -1.0},
        {"temperature": 0.0},
        {"per_hundred": 101},
    ):
        with pytest.raises(ValueError, match=r"^expected"):
            Entangled(**settings)
