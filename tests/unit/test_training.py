"""The training loop: repeatable, resumable to the byte, and it leaves its arguments alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import DivergedError
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded
from modelmark.training import loop as training
from modelmark.training.hooks import Composed, Hooks
from modelmark.training.loop import fit, run, suggested
from modelmark.training.recipe import annealed, constant
from modelmark.training.task import Task, accuracy


@pytest.fixture
def small(digits):
    """A net with dropout and batch statistics, a short task, and two marks."""
    torch_state = torch.get_rng_state()
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(288, 160),
        nn.ReLU(),
        nn.Linear(160, 10),
    )
    torch.set_rng_state(torch_state)
    task = digits.subset(320, seed=0)
    marks = [
        keygen(s, model, task.feed, policy=KeyPolicy(self_check=True)).mark()
        for s in (Adi(triggers=20), Uchida(bits=32))
    ]
    return model, task, lambda: Composed(mark.hooks(model, seed=5) for mark in marks)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


PLAN = annealed(3, 0.05, batch=32, augment="crop-flip", pad=1, clip=1.0)


def test_equal_arguments_give_equal_bytes_and_seeds_differ(small):
    model, task, hooks = small
    first = fit(model, task, PLAN, seed=1, hooks=lambda model: hooks())
    assert same(first, fit(model, task, PLAN, seed=1, hooks=lambda model: hooks()))
    assert not same(first, fit(model, task, PLAN, seed=2, hooks=lambda model: hooks()))


def test_arguments_and_global_generators_stay_as_they_were(small):
    model, task, _ = small
    before, state = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    model.eval()
    fit(model, task, PLAN, seed=1, trainable=lambda name: name.startswith("7."))
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("epoch", "plan"), [(1, PLAN), (2, PLAN), (1, replace(PLAN, optimizer="adamw", schedule=((0.0, 1e-3),)))]
)
def test_resumed_training_gives_the_bytes_of_an_uninterrupted_one(epoch, plan, small):
    model, task, hooks = small
    whole = fit(model, task, plan, seed=1, hooks=lambda model: hooks())
    kept = {}

    def stop(now):
        if now.epoch_ended and now.step == epoch * 10:
            kept.update(torch.load(_file(now.snapshot()), weights_only=True))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, task, plan, seed=1, hooks=lambda model: hooks(), watch=stop)
    assert same(whole, fit(model, task, plan, seed=1, hooks=lambda model: hooks(), resume=kept))


def _file(state):
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


def test_hooks_are_called_in_order_and_nothing_follows_the_last_step(small):
    model, task, _ = small
    calls = []

    class Recorder(Hooks):
        def change(self, x, y):
            calls.append("change")
            return x, y

        def extra(self, x, y):
            calls.append("extra")

        def loss(self, loss, model, x, y, scores):
            calls.append("loss")
            return loss

        def after_step(self, model):
            calls.append("after")

        def finish(self, model):
            calls.append("finish")

    made = Recorder()
    _, hooks = run(model, task, constant(1, 0.01, batch=160), lambda model: made, seed=0)
    step = ["change", "extra", "loss"]
    assert calls == [*step, "after", *step, "finish"]
    assert hooks is made


def test_parameters_of_hooks_are_trained_without_decay(small):
    model, task, _ = small

    class Owner(Hooks):
        def __init__(self):
            super().__init__()
            self.centre = nn.Parameter(torch.ones(1))

        def loss(self, loss, model, x, y, scores):
            return loss + self.centre.sum() * 0.0

    owner = Owner()
    fit(model, task, constant(1, 0.1, batch=32, weight_decay=0.5), seed=0, hooks=lambda model: owner)
    assert owner.centre.item() == 1.0


def test_only_trainable_parameters_move(small):
    model, task, _ = small
    moved = fit(model, task, PLAN, seed=0, trainable=lambda name: name.startswith("7."), frozen_statistics=True)
    changed = {n for n, v in moved.state_dict().items() if not torch.equal(v, model.state_dict()[n])}
    assert changed == {"7.weight", "7.bias"}


def test_statistics_drift_unless_frozen(small):
    model, task, _ = small
    moved = fit(model, task, PLAN, seed=0, trainable=lambda name: name.startswith("7."))
    assert not torch.equal(moved[1].running_mean, model[1].running_mean)


def test_a_loss_that_is_no_number_is_refused(small):
    model, task, _ = small
    with pytest.raises(DivergedError, match="expected a finite loss"):
        fit(model, task, constant(2, 1e18, batch=32), seed=0)


def test_crops_and_mirrors_are_pixels_of_the_picture():
    picture = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8).repeat(64, 1, 1, 1)
    out = training.augment(picture, annealed(1, 0.1, augment="crop-flip", pad=1), torch.Generator().manual_seed(0))
    assert out.shape == picture.shape
    padded = nn.functional.pad(picture[0], (1, 1, 1, 1))[0]
    windows = [padded[r : r + 8, c : c + 8] for r in range(3) for c in range(3)]
    allowed = [window for w in windows for window in (w, w.flip(1))]
    assert all(any(torch.equal(one[0], window) for window in allowed) for one in out)
    assert len({one[0].numpy().tobytes() for one in out}) > 10


def test_channels_last_reaches_the_same_accuracy_and_returns_contiguous_weights(small):
    model, task, _ = small
    trained = fit(model, task, annealed(3, 0.05, batch=32, channels_last=True), seed=0)
    assert all(p.is_contiguous() for p in trained.parameters())


def test_channels_come_last_wherever_pictures_are_convolved(digits):
    nets = [build(arch, (1, 8, 8), 10, seed=0) for arch in ("cnn", "mlp")]
    assert [suggested(net, digits).channels_last for net in nets] == [True, False]
    rows = SimpleNamespace(feed=FloatFeed((64,), digits.feed.class_names), train_inputs=digits.train_inputs)
    folded = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *nets[0].children())
    assert not suggested(folded, rows).channels_last  # inputs without channels have no place for them


class Viewing(nn.Module):
    """Flattens by view, as many tutorials do."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).view(-1, 4 * 36))


def test_a_network_that_flattens_by_view_is_trained_and_measured_with_channels_first(rng):
    pictures = torch.from_numpy(rng.integers(256, size=(40, 3, 8, 8), dtype=np.uint8))
    labels = torch.arange(40) % 2
    task = Task(PictureFeed((3, 8, 8), ("a", "b"), (5000,) * 3, (2500,) * 3), pictures, labels, pictures, labels)
    with seeded(0):
        net = Viewing()
    with pytest.raises(RuntimeError, match="view"):
        fit(net, task, replace(suggested(net, task, epochs=1), channels_last=True), seed=0)
    trained = fit(net, task, suggested(net, task, epochs=1), seed=0)
    reshaping = nn.Sequential(trained.conv, nn.ReLU(), nn.Flatten(), trained.head)
    assert suggested(reshaping, task).channels_last
    assert accuracy(reshaping, task) == accuracy(trained, task)


def test_adamw_is_torchs_own(small):
    model, task, _ = small
    recipe = constant(1, 1e-3, batch=320, weight_decay=0.1, momentum=0.8, optimizer="adamw")
    moved = fit(model, task, recipe, seed=1, trainable=lambda name: name.startswith("7."))
    before, after = model[7].weight, moved[7].weight
    step = (after - (1 - 1e-3 * 0.1) * before).abs()  # a first step of Adam is the rate, whatever the gradient
    torch.testing.assert_close(step[step > 5e-4], torch.full_like(step[step > 5e-4], 1e-3), rtol=1e-2, atol=0)
    assert (step > 5e-4).float().mean() > 0.5


def test_data_are_known_by_what_they_are(small):
    _, task, *_ = small
    again = replace(task, train_inputs=task.train_inputs.clone())
    assert again.digest == task.digest
    other = task.train_targets.clone()
    other[0] = (other[0] + 1) % 10
    assert replace(task, train_targets=other).digest != task.digest
    fewer = replace(task, test_inputs=task.test_inputs[:-1], test_labels=task.test_labels[:-1])
    assert fewer.digest != task.digest
