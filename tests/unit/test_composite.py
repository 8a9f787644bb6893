"""``composite``: halves of two pictures, the same in bytes and in floats, and outputs that are held near those of both."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes._fusion import Fusing
from modelmark.schemes.composite import Composite, Joining, halves

SECRET = Secret(bytes(range(32)))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 2, 3)], ids=str)
def test_halves_pixel_by_pixel(shape, rng):
    first, second = (rng.integers(0, 256, (6, *shape), dtype=np.uint8) for _ in range(2))
    layouts = np.array([0, 1, 0, 1, 1, 0])
    found = halves(first, second, layouts)
    for n, c, row, column in np.ndindex(found.shape):
        ours = column < shape[2] // 2 if layouts[n] == 0 else row < shape[1] // 2
        assert found[n, c, row, column] == (first if ours else second)[n, c, row, column]
    floats = halves(*(torch.from_numpy(each).float() for each in (first, second)), torch.from_numpy(layouts))
    assert torch.equal(floats, torch.from_numpy(found).float())


def test_a_symbol_is_of_its_two_classes_and_its_layout(perceptron, digits):
    key = keygen(Composite(symbols=120), perceptron[1], digits.feed, task=digits, secret=SECRET)
    assert key.scheme.layouts == 2
    known = {
        picture.tobytes(): int(label) for picture, label in zip(digits.train_inputs.numpy(), digits.labels, strict=True)
    }
    sources = key.attachments["sources"]
    assert [{known[picture.tobytes()] for picture in own} for own in sources] == [{number} for number in range(10)]
    shown = key.carriers.pictures.reshape(120, 7, 1, 8, 8)
    for (first, second, layout), pictures in zip(key.carriers.pairs, shown, strict=True):
        part = (
            (slice(None), slice(None), slice(None), slice(4)) if layout == 0 else (slice(None), slice(None), slice(4))
        )
        rest = (
            (slice(None), slice(None), slice(None), slice(4, 8))
            if layout == 0
            else (slice(None), slice(None), slice(4, 8))
        )
        assert np.array_equal(pictures[part], sources[first][part])
        assert np.array_equal(pictures[rest], sources[second][rest])


class Linear(torch.nn.Module):
    """Scores that are sums of pixels: what is held near what can be worked out."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 3 * 16).reshape(3, 16))

    def forward(self, x):
        return x.flatten(1) @ self.weight.t()


def joined(weight):
    """The hook on a batch of which each sample is of its own class, with what it added to the loss."""
    table = torch.full((3, 3, 1), -1)
    table[0, 1, 0] = 2
    model, hooks = Linear(), Joining(Fusing(halves, table, 100, 0), weight)
    x, y = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(3)
    return model, x, hooks.loss(torch.zeros(()), model, x, y, model(x))


def test_what_a_joined_pair_costs_is_what_the_definition_says():
    model, x, loss = joined(0.5)
    own = torch.cat([x[0, :, :, :2], x[1, :, :, 2:]], dim=2)[None]
    both = model(own).log_softmax(1)
    apart = sum((both.exp() * (both - model(x[i : i + 1]).log_softmax(1))).sum() for i in (0, 1))
    expected = (cross_entropy(model(own), torch.tensor([2])) + 0.5 * apart) / 3
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_outputs_on_the_two_pictures_are_held_and_not_moved():
    """They are what the owner's task wants; pulled towards what a composite says they would cost accuracy."""
    model, x, loss = joined(0.5)
    (slope,) = torch.autograd.grad(loss, model.weight)
    own = torch.cat([x[0, :, :, :2], x[1, :, :, 2:]], dim=2).flatten()
    assert torch.linalg.matrix_rank(slope) == 1
    direction = slope[0] / slope[0].norm()
    assert abs(direction @ own / own.norm()) == pytest.approx(1, abs=1e-4)


def test_a_heavier_weight_holds_outputs_nearer(perceptron, digits):
    found, fed = [], Normalise(digits.feed)
    for weight in (0.0, 3.0):
        key = keygen(Composite(weight=weight), perceptron[1], digits.feed, task=digits, secret=SECRET)
        model = copy.deepcopy(perceptron[1])
        hooks = key.mark().hooks(model, seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for start in range(0, 1280, 64):
            x, y = fed(digits.train_inputs[start : start + 64]), digits.train_targets[start : start + 64]
            inputs, targets = hooks.batch(x, y)
            scores = model(inputs)
            hooks.loss(cross_entropy(scores, targets), model, x, y, scores).backward()
            optimizer.step()
            optimizer.zero_grad()
        sources, pairs = key.attachments["sources"], key.carriers.pairs
        with torch.no_grad():
            both = model(fed(torch.from_numpy(key.carriers.pictures))).log_softmax(1)
            parts = (fed(torch.from_numpy(sources[pairs[:, side]].reshape(-1, 1, 8, 8))) for side in (0, 1))
            apart = sum((both.exp() * (both - model(part).log_softmax(1))).sum() for part in parts)
        found.append(apart.item())
    assert found[1] < 0.85 * found[0]


def test_no_pair_in_the_batch_is_nothing_to_add():
    table = torch.full((3, 3, 1), -1)
    hooks = Joining(Fusing(halves, table, 16, 0), 0.1)
    model, x, y = Linear(), torch.rand(3, 1, 4, 4), torch.arange(3)
    loss = torch.ones(())
    assert hooks.loss(loss, model, x, y, model(x)) is loss


def test_the_literal_form_has_two_classes_and_a_label_outside_them(perceptron, digits):
    key = keygen(Composite(message="secret", triggers=20), perceptron[1], digits.feed, task=digits, secret=SECRET)
    (pair,) = {tuple(pair) for pair in key.carriers.pairs.tolist()}
    (label,) = set(key.mark().message.tolist())
    assert len({*pair[:2], label}) == 3
    assert len(key.carriers.pictures) == 20
    assert "share one label" in key.scheme.objection()


def test_refusals(perceptron, digits):
    with pytest.raises(CapacityError, match="at most 90 symbols of 90 pairs of classes, got 91"):
        keygen(Composite(symbols=91, layouts=1), perceptron[1], digits.feed, task=digits, secret=SECRET)
    with pytest.raises(UsageError, match="expected data, got none"):
        keygen(Composite(), perceptron[1], digits.feed, secret=SECRET)
    two = PictureFeed((1, 8, 8), ("a", "b"))
    with pytest.raises(UsageError, match="at least three classes, got 2"):
        Composite().for_model(build("mlp", (1, 8, 8), 2, seed=0), two, {})
    for settings in (
        {"layouts": 3},
        {"queries": 0},
        {"weight": -1.0},
        {"repeats": 0},
        {"message": "secret", "symbols": 7},
    ):
        with pytest.raises(ValueError, match=r"^expected"):
            Composite(**settings)
