"""Networks that a thief trains on his own data, what they say of a label, and thresholds that cost him little."""

import math
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Thief
from modelmark.attacks.fields import Share, Within
from modelmark.attacks.results import Answer
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.seeding import own_seed
from modelmark.suspects.module import logits
from modelmark.training.loop import Watch, fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task

Loss = Annotated[Share, "share of right answers that may be lost on the thief's held-out data"]
Epochs = Annotated[int, Within(0), "of the second model; 0: as many as make 300 steps, ten at least"]

_HELD = 0.2
_STEPS = 300


def halves(task: Task, seed: int) -> tuple[Task, Task]:
    """Return four fifths of the thief's data to train on and a fifth to choose thresholds with.

    Raises:
        UsageError: fewer than five samples.
    """
    parts = task.split({"trained": 1 - _HELD, "held": _HELD}, seed=seed)
    return parts["trained"], parts["held"]


def trained(task: Task, *, epochs: int, seed: int, watch: Watch | None) -> nn.Module:
    """Return a classifier of ``task`` from scratch, of an architecture that suits its inputs, on the data's device.

    Args:
        task: what to learn; its classes need not be those of the stolen model.
        epochs: 0: as many as make 300 steps, ten at least.
        seed: of weights and order.
        watch: called after every step.
    """
    feed = task.feed
    arch = suited(feed)
    model = build(arch, feed.input_shape, feed.classes, seed=own_seed(seed)).to(task.train_inputs.device)
    samples, large = len(task.train_inputs), arch == "resnet8"
    batch = suggest(samples=samples, normalised=large, trained=False, picture=large).batch
    epochs = epochs or max(10, math.ceil(_STEPS / max(samples // batch, 1)))
    recipe = suggest(
        samples=samples, normalised=large, trained=False, picture=large, channels_last=arch != "mlp", epochs=epochs
    )
    return fit(model, task, recipe, seed=seed, watch=watch)


def suited(feed: Feed) -> str:
    """Return ``resnet8`` for colour pictures from 16 x 16, ``cnn`` for other pictures from 4 x 4, else ``mlp``."""
    shape = feed.input_shape
    if len(shape) != 3 or min(shape[1:]) < 4:
        return "mlp"
    return "resnet8" if shape[0] == 3 and min(shape[1:]) >= 16 else "cnn"


def hard(task: Task) -> Task:
    """Return the task with labels where it had soft targets."""
    return replace(task, train_targets=task.labels)


def answers(answer: Answer, inputs: Tensor, feed: Feed) -> Tensor:
    """Return the answers of an API to stored inputs, uint8 ``(N, *input_shape)``, on the inputs' device."""
    normalise = Normalise(feed)
    return torch.cat([answer(normalise(part)).to(inputs.device) for part in inputs.split(256)])


def disagreement(model: nn.Module, inputs: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return the model's own labels, and by how much it prefers them to those ``given``, in logits, both ``(N,)``.

    Refusals cannot be disagreed with: the preference is 0 there.

    Args:
        model: the thief's.
        inputs: as ``forward`` takes them.
        given: labels or ``ABSTAIN``, int64 ``(N,)``.
    """
    outputs = logits(model, inputs).to(given.device)
    best, own = outputs.max(dim=1)
    their = outputs.gather(1, given.clamp(min=0)[:, None])[:, 0]
    return own, torch.where(given < 0, 0.0, best - their)


def threshold(scores: Tensor, harmed: Tensor, loss: float) -> float:
    """Return the lowest threshold at which acting on higher scores harms at most a share ``loss`` of held-out samples.

    Args:
        scores: of held-out samples, ``(N,)``; at least 0.
        harmed: whether acting on a sample turns a right answer into none or a wrong one, bool ``(N,)``.
        loss: of all held-out samples, in [0, 1].
    """
    costly = scores[harmed].sort(descending=True).values
    allowed = int(loss * len(scores))
    return float(costly[allowed]) if allowed < len(costly) else 0.0


def judge(answer: Answer, thief: Thief, *, loss: float, epochs: int) -> tuple[nn.Module, float]:
    """Return a second model, and the preference for its own label from which it overrules the API.

    Args:
        answer: the API of the stolen model.
        thief: his data, seed and watch.
        loss: share of right answers of the API that may be lost on held-out data, if an overruled one is.
        epochs: 0: as many as make 300 steps, ten at least.
    """
    learned, held = halves(hard(thief.task), thief.seed)
    second = trained(learned, epochs=epochs, seed=thief.seed, watch=thief.watch)
    given = answers(answer, held.train_inputs, held.feed)
    _, preferred = disagreement(second, Normalise(held.feed)(held.train_inputs), given)
    return second, threshold(preferred, given == held.train_targets, loss)
