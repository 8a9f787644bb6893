"""``Mark.attach``: the mark's slope joins the gradients with every step of an optimiser, and makes what the hooks make."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from attaching import FEED, LAYER, attached, batches, by_hooks, close, equal, key, net, plain, sgd
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.networks import layers
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded


@pytest.mark.parametrize(
    "make",
    [
        sgd,
        lambda m: torch.optim.AdamW(m.parameters(), lr=1e-3),
        lambda m: torch.optim.AdamW(m.parameters(), fused=True),
    ],
    ids=["sgd", "adamw", "fused"],
)
def test_what_is_attached_makes_the_bytes_that_the_hooks_make(make):
    mark, data = key(), batches()
    ours, theirs, unmarked = (
        attached(mark, net(), data, make), by_hooks(mark, net(), data, make), attached(key(Spread()), net(), [], make)
    )  # fmt: skip
    assert equal(ours, theirs)
    assert not equal(ours, unmarked)


@pytest.mark.filterwarnings("ignore")
def test_an_optimiser_of_eight_bits_gets_it():
    optim = pytest.importorskip("torchao.optim", reason="what is tested is its optimiser")
    mark, data = key(), batches()
    torch.compiler.reset()
    with torch.compiler.set_stance("force_eager"):  # it compiles its step
        ours, theirs, unmarked = net(), net(), net()
        attached(mark, ours, data, lambda model: optim.AdamW8bit(model.parameters(), lr=1e-3))
        by_hooks(mark, theirs, data, lambda model: optim.AdamW8bit(model.parameters(), lr=1e-3))
        for x, y in data:
            plain(unmarked, optim.AdamW8bit(unmarked.parameters(), lr=1e-3), x, y)
    assert equal(ours, theirs)
    assert not equal(ours, unmarked)


def test_the_slope_is_autograds_gradient_of_the_loss():
    mark, model = key(), net()
    hooks, weight = mark.hooks(model), layers.weight(model, LAYER)
    hooks.loss(torch.zeros(()), model, *batches()[0], None).backward()
    ours = hooks.slope(weight.detach().mean(dim=0))
    assert torch.equal(ours.expand_as(weight), weight.grad)
    wide = weight.detach().double().requires_grad_()  # and the loss as the paper writes it, by nothing of ours
    logit = hooks.projection.double() @ wide.mean(dim=0)
    bce = nn.functional.binary_cross_entropy_with_logits(logit, hooks.message.double(), reduction="sum")
    (0.01 * bce).backward()
    torch.testing.assert_close(weight.grad.double(), wide.grad, rtol=2e-5, atol=1e-9)


def test_several_marks_share_an_optimiser():
    first, data = key(), batches()
    second = keygen(Uchida(), net(), FEED, secret=Secret(bytes(32))).mark()
    model, other = net(), net()
    optimizer = sgd(model)
    with first.attach(optimizer, model), second.attach(optimizer, model):
        for x, y in data:
            plain(model, optimizer, x, y)
    hooks, optimizer = [mark.hooks(other) for mark in (first, second)], sgd(other)
    for x, y in data:
        loss = cross_entropy(other(x), y)
        for part in hooks:
            loss = part.loss(loss, other, x, y, None)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert close(model, other)


def test_accumulated_gradients_get_it_once():
    """Added at every backward pass, as hooks whose loss is not divided would, it would be twice as strong."""
    mark, data = key(), batches(size=12)
    accumulated = net()
    optimizer = sgd(accumulated)
    handle = mark.attach(optimizer, accumulated)
    for x, y in data:
        for part in range(2):
            (cross_entropy(accumulated(x[part::2]), y[part::2]) / 2).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert handle.steps == len(data)
    assert close(accumulated, by_hooks(mark, net(), data))


class Trap(torch.optim.Optimizer):
    """Keeps the gradients it steps with."""

    def __init__(self, parameters):
        super().__init__(parameters, {})
        self.seen = []

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = None if closure is None else closure()
        self.seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])
        return loss


def gradients(mark, *, scaler=None, make=lambda m: Trap(m.parameters()), clip=None):
    model, (x, y) = net(), batches()[0]
    optimizer = make(model)
    handle = mark.attach(optimizer, model)
    loss = cross_entropy(model(x), y)
    (loss if scaler is None else scaler.scale(loss)).backward()
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()
    handle.remove()
    return model, optimizer


def test_scaled_gradients_are_unscaled_before_it():
    mark, scaler = key(), torch.amp.GradScaler("cpu", init_scale=1024.0)
    _, scaled = gradients(mark, scaler=scaler)
    _, straight = gradients(mark)
    for a, b in zip(scaled.seen[0], straight.seen[0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("early", [False, True], ids=["in the kernel", "by unscale_"])
def test_an_optimiser_that_unscales_in_its_kernel_gets_it_scaled(early):
    """Added as it is, the kernel would divide it by the scale: the mark would be 1,024 times too weak."""
    mark, (x, y) = key(), batches()[0]

    def train(scaler):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
        with mark.attach(optimizer, model):
            scaler.scale(cross_entropy(model(x), y)).backward()
            if early:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
        return layers.weight(model, LAYER).detach()

    scaled, straight = (train(torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=on)) for on in (True, False))
    start = layers.weight(net(), LAYER).detach()
    unmarked = net()
    plain(unmarked, torch.optim.SGD(unmarked.parameters(), lr=0.1), x, y)
    assert (straight - layers.weight(unmarked, LAYER)).abs().max() > 1e-5  # what a lost term would look like
    torch.testing.assert_close(scaled - start, straight - start, rtol=1e-3, atol=1e-7)


def test_clipping_does_not_see_it():
    """The term stands beside what was clipped, whole; in the loss it would be clipped with the rest."""
    mark, limit = key(), 1e-3
    _, free = gradients(mark, clip=limit)
    without = net()
    x, y = batches()[0]
    cross_entropy(without(x), y).backward()
    nn.utils.clip_grad_norm_(without.parameters(), limit)
    hooks = mark.hooks(without)
    expected = hooks.slope(layers.weight(without, LAYER).detach().mean(dim=0))
    names = [name for name, _ in without.named_parameters()]
    for name, got, clipped in zip(names, free.seen[0], without.parameters(), strict=True):
        term = expected.expand_as(got) if name == f"{LAYER}.weight" else 0
        torch.testing.assert_close(got, clipped.grad + term)
    assert (expected.norm() * 24**0.5) > limit


def test_a_closure_makes_its_gradients_first():
    """Lightning steps so: what a hook adds before the closure runs is zeroed by it."""
    mark, data = key(), batches()

    def step(model, optimizer, x, y):
        def closure():
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            return loss

        assert optimizer.step(closure).item() > 0
        assert optimizer.step(closure=closure).item() > 0

    model = net()
    optimizer = sgd(model)
    handle = mark.attach(optimizer, model)
    for x, y in data:
        step(model, optimizer, x, y)
    assert handle.steps == 2 * len(data)
    assert equal(model, by_hooks(mark, net(), [each for each in data for _ in range(2)]))


def test_autocast_and_half_weights():
    mark, data = key(), batches()

    def step(model, optimizer, x, y):
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    model, other = attached(mark, net(), data, step=step), net()
    optimizer, hooks = sgd(other), mark.hooks(other)
    for x, y in data:
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(other(x), y)
        hooks.loss(loss, other, x, y, None).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert close(model, other)
    half = net().bfloat16()
    attached(mark, half, [(x.bfloat16(), y) for x, y in data])
    assert layers.weight(half, LAYER).dtype == torch.bfloat16


def weight_normed():
    model = net()
    torch.nn.utils.parametrizations.weight_norm(model[3])
    return model


def old_weight_normed():
    model = net()
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(model[3])
    return model


def spectral_normed():
    model = net()
    with seeded(3):
        torch.nn.utils.parametrizations.spectral_norm(model[3])
    return model


@pytest.mark.parametrize("make", [weight_normed, old_weight_normed, spectral_normed])
def test_a_weight_that_is_computed_passes_it_on(make):
    mark, (x, y) = key(), batches()[0]
    model, other = make(), make()
    model.eval(), other.eval()  # a spectral norm's vectors turn at every look while it trains
    for each in (model, other):
        cross_entropy(each(x), y).backward()
    mark.attach(Trap(model.parameters()), model)._adding.add(Trap(model.parameters()))
    mark.hooks(other).loss(torch.zeros(()), other, x, y, None).backward()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-7)


def test_a_spectral_norm_is_not_turned_by_looking():
    mark, model = key(), spectral_normed().train()
    optimizer = Trap(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adding = mark.attach(optimizer, model)._adding
    before = {name: value.clone() for name, value in model.named_buffers()}
    adding.add(optimizer)
    assert before
    assert all(torch.equal(before[name], value) for name, value in model.named_buffers())
    _ = model[3].weight  # a look of anybody else
    assert not all(torch.equal(before[name], value) for name, value in model.named_buffers())


class Tied(nn.Module):
    """Two names for one weight."""

    def __init__(self):
        super().__init__()
        with seeded(0):
            self.inner, self.again, self.head = nn.Linear(320, 320), nn.Linear(320, 320), nn.Linear(320, 10)
        self.again.weight = self.inner.weight

    def forward(self, x):
        return self.head(self.again(self.inner(x.flatten(1).repeat(1, 5)).relu()))


def test_a_tied_weight_gets_it_once():
    mark, data = key(Uchida(layer="again"), Tied()), batches()
    assert close(attached(mark, Tied(), data), by_hooks(mark, Tied(), data))


def test_a_layer_without_a_gradient_gets_one():
    """A branch that the last batch did not take: in the loss, the term would have reached it."""
    mark, model = key(), net()
    optimizer = Trap([*model.parameters()])
    handle = mark.attach(optimizer, model)
    handle._adding.add(optimizer)
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {f"{LAYER}.weight"}


def test_a_compiled_model_and_ones_that_were_moved_or_wrapped_are_the_model():
    torch.compiler.reset()
    mark, data = key(), batches()
    plain_one, model = attached(mark, net(), data), net()
    compiled = torch.compile(model, backend="eager")
    optimizer = sgd(model)
    with mark.attach(optimizer, compiled):
        for x, y in data:
            plain(compiled, optimizer, x, y)
    assert equal(plain_one, model)
    moved = net().double()
    optimizer = sgd(moved)
    with mark.attach(optimizer, moved) as handle:
        moved.float()  # torch puts new data into the parameters that the optimiser has
        for x, y in data:
            plain(moved, optimizer, x, y)
    assert handle.steps == len(data)
    assert close(plain_one, moved)
