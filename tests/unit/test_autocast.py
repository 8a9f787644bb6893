"""Every scheme's hooks where the forward pass is autocast to bfloat16, and where a network returns more than scores."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.networks import taps
from modelmark.networks.outputs import scores
from modelmark.schemes import names_for, scheme_class
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed

SECRET = Secret(bytes(range(32)))
SETTINGS = {"uchida": {"bits": 150}, "deepsigns-blackbox": {"pool": 2, "share": 0.99}, "field": {"queries": 300}}
FEW = ("adi", "deepsigns")
"""Schemes of which every way is tried every day: one that appends samples and one that adds to the loss what it saw pass."""


@dataclass
class Output:
    """What Hugging Face's models return."""

    logits: torch.Tensor
    hidden: torch.Tensor


class Returning(nn.Sequential):
    """The network of the tests with its scores somewhere in what it returns."""

    kind = "tensor"

    def forward(self, x):
        found = super().forward(x)
        return {"tensor": found, "object": Output(found, x), "dict": {"out": found, "aux": x}, "tuple": (found, x)}[
            self.kind
        ]


@pytest.fixture(scope="module")
def mark(perceptron, digits):
    def make(name):
        scheme = scheme_class(name)(**SETTINGS.get(name, {}))
        return keygen(scheme, perceptron[1], digits.feed, task=digits, secret=SECRET).mark()

    return make


def returning(perceptron, kind):
    model = Returning(*copy.deepcopy(perceptron[1]).children()).train()
    model.kind = kind
    return model


def steps(model, mark, digits, *, around=(), within=(), count=3):
    """Train a few steps; ``around`` the forward pass, ``within`` for hooks and loss as well."""
    hooks = mark.hooks(model)
    optimizer = torch.optim.SGD([{"params": model.parameters()}, *hooks.param_groups()], lr=0.02)
    for number in range(count):
        x = digits.train_inputs[32 * number : 32 * number + 32] / 255 * 3
        y = digits.train_targets[32 * number : 32 * number + 32]
        inputs, targets = hooks.batch(x, y)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(around)):
            found = scores(model(inputs))
            loss = cross_entropy(found, targets)
            if within:
                loss = hooks.loss(loss, model, x, y, found)
        if not within:
            loss = hooks.loss(loss, model, x, y, found)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        hooks.after_step(model)
    hooks.finish(model)
    return model, hooks


@pytest.mark.parametrize(
    ("within", "name"),
    [pytest.param(False, name, id=f"loss outside-{name}") for name in names_for("pictures")]
    + [
        pytest.param(True, name, id=f"loss inside-{name}", marks=() if name in FEW else pytest.mark.slow)
        for name in names_for("pictures")
    ],
)
def test_under_autocast_a_scheme_does_what_it_does_without(name, within, mark, perceptron, digits):
    """DeepSigns died here: EM of activations in bfloat16, and centres put in place of another type."""
    own = mark(name)
    model, hooks = steps(returning(perceptron, "tensor"), own, digits, around=True, within=within)
    plain, _ = steps(returning(perceptron, "tensor"), own, digits)
    for (path, a), b in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert a.dtype == torch.float32
        assert (a - b).norm() <= 0.02 * b.norm(), path
    with torch.autocast("cpu", torch.bfloat16):
        inside = hooks.margins(model).float()
    outside = own.margins(model).float()
    assert torch.isfinite(inside).all()
    assert ((inside > 0) == (outside > 0)).float().mean() > 0.9


@pytest.mark.parametrize("start", ["means", "gmm"])
@pytest.mark.parametrize("unit", ["activation", "errors"])
def test_deepsigns_places_its_centres_from_halves(start, unit, perceptron, digits):
    scheme = scheme_class("deepsigns")(start=start, unit=unit)
    own = keygen(scheme, perceptron[1], digits.feed, task=digits, secret=SECRET).mark()
    _, hooks = steps(returning(perceptron, "tensor"), own, digits, around=True, within=True, count=1)
    _, plain = steps(returning(perceptron, "tensor"), own, digits, count=1)
    for a, b in zip(hooks.centres, plain.centres, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.05)


def test_deepsigns_where_forward_itself_is_autocast(perceptron, digits):
    """As accelerate and the trainer leave a model: turned off around it, autocast is on within it."""
    own = keygen(scheme_class("deepsigns")(), perceptron[1], digits.feed, task=digits, secret=SECRET).mark()
    model = returning(perceptron, "tensor")
    model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    _, hooks = steps(model, own, digits)
    assert all(centres.dtype == torch.float32 and torch.isfinite(centres).all() for centres in hooks.centres)
    assert torch.isfinite(hooks.margins(model)).all()


def test_what_a_layer_receives_under_autocast_is_in_halves(perceptron, digits):
    """What the hooks have to take: the numbers are bfloat16, and without a graph of their own."""
    model = returning(perceptron, "tensor")
    with torch.autocast("cpu", torch.bfloat16):
        found = taps.activations(model, "5", digits.train_inputs[:4] / 255)
    assert found.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["adi", "coupled", "deepsigns-blackbox", "null"])
def test_a_network_that_answers_in_halves_is_asked(name, mark, perceptron, digits):
    """NumPy has no bfloat16: asking such a network failed with a TypeError of NumPy's."""
    own, plain = mark(name), returning(perceptron, "tensor")
    model = nn.Sequential(Half(), copy.deepcopy(plain).bfloat16())
    assert ((own.margins(model) > 0) == (own.margins(plain) > 0)).float().mean() > 0.9
    assert abs(own.evidence(WhiteBox(model)).matches - own.evidence(WhiteBox(plain)).matches) <= 10


class Half(nn.Module):
    def forward(self, x):
        return x.bfloat16()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind) if kind == "object" or name in FEW else pytest.param(name, kind, marks=pytest.mark.slow)
        for name in names_for("pictures")
        for kind in ("object", "dict", "tuple")
    ],
)
def test_what_a_network_returns_around_its_scores_changes_nothing(name, kind, mark, perceptron, digits):
    own = mark(name)
    model, hooks = steps(returning(perceptron, kind), own, digits, count=2)
    plain, _ = steps(returning(perceptron, "tensor"), own, digits, count=2)
    assert all(map(torch.equal, model.state_dict().values(), plain.state_dict().values()))
    assert torch.equal(hooks.margins(model), own.margins(plain))


def test_several_schemes_in_one_autocast_loop(mark, perceptron, digits):
    model = returning(perceptron, "object")
    with seeded(0):
        marks = [mark(name) for name in ("deepsigns", "adi", "uchida")]
    together = Composed(own.hooks(model) for own in marks)
    x, y = digits.train_inputs[:32] / 255, digits.train_targets[:32]
    inputs, targets = together.batch(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        found = scores(model(inputs))
        loss = together.loss(cross_entropy(found, targets), model, x, y, found)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
