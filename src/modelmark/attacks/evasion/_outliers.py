"""Which queries do not look like the thief's own inputs, by their numbers; what ``refuse`` and ``randomise`` share."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.pictures import shown as undone
from modelmark.attacks.evasion import _density, _nets
from modelmark.attacks.fields import Part
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, PictureFeed
from modelmark.training.task import Task

Components = Annotated[Part, "of the variance that principal components hold"]


def by_numbers(task: Task, *, components: float, loss: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Return a function from queries as ``forward`` takes them to bool ``(N,)``: which lie outside.

    A density is fitted to four fifths of the inputs; the threshold is such that at most ``loss`` of the rest lie outside.

    Args:
        task: the thief's data; labels are not used.
        components: share of the variance that principal components hold.
        loss: share of the thief's held-out inputs that may count as outside.
        seed: of the split.
    """
    feed = task.feed
    shown, held = _nets.halves(task, seed)
    density = _density.fitted(_stored(shown.train_inputs, feed), components, seed=seed)
    scores = density.distance(_stored(held.train_inputs, feed))
    limit = _nets.threshold(scores, torch.ones_like(scores, dtype=torch.bool), loss)

    def outside(inputs: Tensor) -> Tensor:
        numbers = undone(inputs, feed) if isinstance(feed, PictureFeed) else inputs
        return (density.distance(numbers.flatten(1)) > limit).to(inputs.device)

    return outside


def replaced(answers: Tensor, outside: Tensor, other: Tensor) -> Tensor:
    """Return ``answers``, and ``other`` where a query lies ``outside``; all ``(N,)``."""
    return torch.where(outside.to(answers.device), other.to(answers.device), answers)


def _stored(inputs: Tensor, feed: Feed) -> Tensor:
    return inputs.flatten(1).float() / (FULL_SCALE if isinstance(feed, PictureFeed) else 1)
