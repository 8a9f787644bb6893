"""Rehearsals: students that an owner trains on his own model's answers, to know what a copy of it looks like without a mark."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.loop import Progress, fit
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task

_BATCH = 1000


def rehearse(
    student: nn.Module,
    host: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    watch: Callable[[Progress], None] | None = None,
) -> nn.Module:
    """Return a student trained from scratch on the labels that the unmarked host answers to the owner's own inputs.

    Args:
        student: fresh; of the host's architecture, or another's that a thief might take.
        host: trained and unmarked.
        task: the owner's data; its own labels take no part.
        recipe: as the host's own.
        seed: of order, augmentation and dropout.
        watch: called with the progress.

    Raises:
        MismatchError: the host gives other scores than one for each class.
        UsageError: the data have no classes, as those of language models.
    """
    if task.feed.kind == "causal":
        raise UsageError("expected inputs of which a network tells the class, got causal")
    normalise = Normalise(task.feed)
    answers = [logits(host, normalise(part)).cpu() for part in task.train_inputs.split(_BATCH)]
    if answers[0].dim() != 2 or answers[0].shape[1] != task.feed.classes:
        raise MismatchError(
            f"expected scores for {task.feed.classes} classes from the host, got shape {tuple(answers[0].shape[1:])}"
        )
    labelled = replace(task, train_targets=torch.cat(answers).argmax(dim=1))
    return fit(student, labelled, recipe, seed=seed, watch=watch)
