"""Losses of students that are more than cross-entropy on one label, as hooks of the only training loop."""

from dataclasses import replace
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from modelmark.attacks.extraction._answers import softened
from modelmark.suspects.module import logits
from modelmark.training.hooks import Hooks, Samples, replaced
from modelmark.training.task import Task

Loss = Annotated[Literal["cross-entropy", "mse"], "cross-entropy with probabilities, or mse between scores"]


def distilled(model: nn.Module, task: Task, temperature: float, alpha: float) -> Task:
    """Return the thief's task with the targets that ``Distilling`` takes.

    Args:
        model: the stolen model.
        task: the thief's.
        temperature: of the model's probabilities.
        alpha: weight of those; the thief's own labels have the rest.
    """
    hard = task.train_targets
    if not hard.is_floating_point():
        hard = one_hot(hard, task.feed.classes).float()
    soft = softened(model, task, temperature=temperature).train_targets
    return replace(task, train_targets=torch.cat([alpha * temperature**2 * soft, hard], dim=1))


class Distilling(Hooks):
    """Cross-entropy with probabilities at a temperature, and with labels beside them.

    The task's targets are ``(N, 2 classes)``: the soft ones, times what their share of the loss weighs, then the hard
    ones; cross-entropy is linear in its targets, so the weight can sit there.

    Args:
        temperature: divides the student's scores where the soft targets are met.
        hard: weight of the cross-entropy with the labels, at temperature 1.
    """

    def __init__(self, temperature: float, hard: float) -> None:
        super().__init__()
        self._temperature = temperature
        self._hard = hard
        self._labels = torch.empty(0)

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Take the targets apart: the loop and others see the soft ones, the loss below the hard ones too."""
        soft, self._labels = y.chunk(2, dim=1)
        return x, soft

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return both cross-entropies in place of that of the loop's own samples."""
        own = scores[: len(x)]
        new = cross_entropy(own / self._temperature, y)
        if self._hard:
            new = new + self._hard * cross_entropy(own, self._labels)
        return replaced(loss, cross_entropy(own, y), new, x, scores)


class Imitating(Hooks):
    """Queries made while training: each batch, perturbed, is answered by the stolen model, and its answer imitated.

    Noise comes from the generator that the training loop has forked and seeded.

    Args:
        stolen: gives its scores, and no gradient.
        noise: standard deviation of what is added to every input, after preprocessing.
        squares: mean squared difference of scores instead of cross-entropy with probabilities.
    """

    def __init__(self, stolen: nn.Module, *, noise: float = 0.0, squares: bool = False) -> None:
        super().__init__()
        self._ask = lambda x: logits(stolen, x)  # the stolen model is no part of this module
        self._noise = noise
        self._squares = squares

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch with noise."""
        return (x + self._noise * torch.randn_like(x) if self._noise else x), y

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the distance from what the stolen model answers, in place of the loop's own samples' loss."""
        own, wanted = scores[: len(x)], self._ask(x)
        new = mse_loss(own, wanted) if self._squares else cross_entropy(own, wanted.softmax(dim=1))
        return replaced(loss, cross_entropy(own, y), new, x, scores)
