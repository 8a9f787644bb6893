"""Marks into a trained network in a small part of an epoch: by arithmetic where a scheme has it, else in its last part alone."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn

from modelmark.marks.marks import Mark
from modelmark.marks.reach import Reach
from modelmark.schemes.base import Appending, Instant, Settling, Teachable, Whole
from modelmark.schemes.blackbox import HEADROOM
from modelmark.training.tails import Lesson, Repeating, teach
from modelmark.training.task import Task

_PASSES = 3
"""One mark may move what another has settled; each pass moves less."""


def is_settled(mark: Mark) -> bool:
    """Return whether a mark may go in without training the whole network; a field is of one very host, and goes in last."""
    scheme = mark.key.scheme
    if isinstance(scheme, Whole):
        return False
    return isinstance(scheme, Settling | Teachable | Appending) or (isinstance(scheme, Instant) and scheme.instant)


def settle(
    model: nn.Module,
    marks: Sequence[Mark],
    task: Task,
    reach: Callable[[Mark, nn.Module], Reach],
    *,
    seed: int,
    unfinished: bool = False,
) -> tuple[nn.Module, tuple[Reach, ...]]:
    """Return a copy of a trained model into which as many of ``marks`` were put as go, and how far each is in.

    Args:
        model: trained, in evaluation mode.
        marks: of different keys; those that are in are left as they are.
        task: whose training inputs the model goes on answering as it did.
        reach: measures how far a mark is in.
        seed: of what is chosen.
        unfinished: whether the model is still learning its task.
    """
    given, model = model, copy.deepcopy(model).eval()
    for number in range(_PASSES):
        short = [mark for mark in marks if not reach(mark, model).done]
        lessons = {
            mark.key.digest: lesson for mark in short if (lesson := _lesson(mark, model, seed + number)) is not None
        }
        if lessons:
            teach(model, list(lessons.values()), task, seed=seed + number, unfinished=unfinished)
        learnt = all(reach(mark, model).done for mark in short if mark.key.digest in lessons)
        for mark in short:
            _by_arithmetic(mark, model)
        if not learnt or all(reach(mark, model).done for mark in marks):
            break
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        model = copy.deepcopy(given).eval()  # a step too far; training clips what it does to a network without norms
    return model, tuple(reach(mark, model) for mark in marks)


def _by_arithmetic(mark: Mark, model: nn.Module) -> None:
    scheme = mark.key.scheme
    if isinstance(scheme, Settling):
        scheme.settle(model, mark.carriers, mark.message)
    elif isinstance(scheme, Instant) and scheme.instant:
        scheme.imprint(model, mark.carriers, mark.message)


def _lesson(mark: Mark, model: nn.Module, seed: int) -> Lesson | None:
    """Return what the last part of a network is to learn of a mark; None where it cannot."""
    scheme = mark.key.scheme
    if isinstance(scheme, Teachable):
        return scheme.lesson(mark.carriers, mark.message, model, seed=seed)
    if isinstance(scheme, Appending):
        hooks = scheme.appended(mark.carriers, mark.message, seed=seed)
        if isinstance(hooks, Repeating):
            return Lesson(hooks, scheme.margin + HEADROOM)
    return None
