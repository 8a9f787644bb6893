"""What a thief asks of the stolen model: labels or scores, through its answers alone, and never its weights."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import Task

_BATCH = 1024


def scores(model: nn.Module, images: Tensor, task: Task) -> Tensor:
    """Return the scores (logits) of ``model`` for uint8 images ``(N, *input_shape)``: float32 ``(N, classes)``.

    They come back on the device of ``images``.
    """
    normalise = Normalise(task.feed)
    found = [logits(model, normalise(part), batch=_BATCH) for part in images.split(_BATCH)]
    return torch.cat(found).to(images.device)


def labels(model: nn.Module, images: Tensor, task: Task) -> Tensor:
    """Return the labels that ``model`` answers for uint8 images ``(N, *input_shape)``: int64 ``(N,)``."""
    return scores(model, images, task).argmax(dim=1)


def labelled(model: nn.Module, task: Task, images: Tensor | None = None) -> Task:
    """Return the thief's task with the stolen model's labels in place of its own.

    Args:
        model: the stolen model.
        task: the thief's.
        images: uint8 ``(N, *input_shape)``, asked instead of the thief's inputs.
    """
    asked = task.train_inputs if images is None else images
    return replace(task, train_inputs=asked, train_targets=labels(model, asked, task))


def softened(model: nn.Module, task: Task, images: Tensor | None = None, *, temperature: float = 1.0) -> Task:
    """Return the thief's task with the stolen model's probabilities at ``temperature`` in place of its labels."""
    asked = task.train_inputs if images is None else images
    return replace(task, train_inputs=asked, train_targets=(scores(model, asked, task) / temperature).softmax(dim=1))


def agreement(model: nn.Module, other: nn.Module, task: Task) -> float:
    """Return the share of test inputs that both models answer alike, in ``[0, 1]``; no label takes part.

    The control of every extraction: called fidelity in Jagielski et al. 2020, "High accuracy and high fidelity
    extraction of neural networks".
    """
    same = labels(model, task.test_inputs, task) == labels(other, task.test_inputs, task)
    return float(same.float().mean())
