"""Which queries do not look like the thief's own inputs, by their pixels; what ``refuse`` and ``randomise`` share."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks.evasion import _density, _nets
from modelmark.attacks.fields import Part
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.training.task import Task

Components = Annotated[Part, "of the variance that principal components hold"]


def by_pixels(task: Task, *, components: float, loss: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Return a function from pictures with the preprocessing undone to bool ``(N,)``: which lie outside.

    A density is fitted to four fifths of the inputs; the threshold is such that at most ``loss`` of the rest lie outside.

    Args:
        task: the thief's data; labels are not used.
        components: share of the variance that principal components hold.
        loss: share of the thief's held-out inputs that may count as outside.
        seed: of the split.
    """
    shown, held = _nets.halves(task, seed)
    density = _density.fitted(_flat(shown.train_inputs), components, seed=seed)
    scores = density.distance(_flat(held.train_inputs))
    limit = _nets.threshold(scores, torch.ones_like(scores, dtype=torch.bool), loss)
    return lambda pictures: (density.distance(pictures.flatten(1)) > limit).to(pictures.device)


def replaced(answers: Tensor, outside: Tensor, other: Tensor) -> Tensor:
    """Return ``answers``, and ``other`` where a query lies ``outside``; all ``(N,)``."""
    return torch.where(outside.to(answers.device), other.to(answers.device), answers)


def _flat(inputs: Tensor) -> Tensor:
    return inputs.flatten(1).float() / FULL_SCALE
