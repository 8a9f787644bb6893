"""Embedding: the reference loop with the hooks of one or several marks, and a refusal to fail in silence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from modelmark.errors import MismatchError, NotEmbeddedError, UsageError
from modelmark.evidence.evidence import BAR, Evidence
from modelmark.marks.marks import Mark
from modelmark.marks.reach import Reach
from modelmark.networks.calling import require_room
from modelmark.networks.trainable import require_weights
from modelmark.schemes.base import Whole
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed
from modelmark.training.loop import Progress, fit
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task, accuracy


@dataclass(frozen=True)
class Embedded:
    """A marked model with what it cost.

    Args:
        model: the marked copy.
        reached: one entry per mark.
        accuracy_before: of the model given, on the test data.
        accuracy_after: of the marked model.
        rounds: how many times the recipe was run.
    """

    model: nn.Module
    reached: tuple[Reach, ...]
    accuracy_before: float
    accuracy_after: float
    rounds: int


def reach(mark: Mark, model: nn.Module) -> Reach:
    """Measure how far ``mark`` is in ``model``."""
    if isinstance(mark.key.scheme, Whole):
        return _whole(mark, model)
    margins = mark.margins(model)
    right = int((margins >= 0).sum())
    needed = float(mark.key.scheme.margin)
    short = int((margins.double() < needed).sum())
    return Reach(mark.key.scheme.name, right, len(margins), float(margins.min()), needed, short)


def _whole(mark: Mark, model: nn.Module) -> Reach:
    found = mark.evidence(WhiteBox(model))
    right, trials = int((mark.margins(model) > 0).sum()), len(mark.message)
    if not isinstance(found, Evidence):
        raise UsageError(f"expected a mark with an exact test, got one of {mark.key.scheme.name} without")
    needed = 0.0 if mark.key.self_check else BAR + sum(charge.bits for charge in found.charges)
    done = found.gross_bits >= needed
    return Reach(mark.key.scheme.name, right, trials, found.gross_bits, needed, 0 if done else trials, whole=True)


def embed(
    model: nn.Module,
    marks: Sequence[Mark],
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    rounds: int = 3,
    resume: dict[str, Any] | None = None,
    watch: Callable[[int, Progress], None] | None = None,
) -> Embedded:
    """Return a copy of ``model`` that carries all ``marks``.

    The recipe is run to its end, since a mark that is right at a high learning rate need not be at zero; if a mark then
    lacks its margin, the recipe is run again from there, up to ``rounds`` times. Where a few symbols are still short of it then
    (one in 16 at most), up to ``rounds`` more are run: rounding differs between processors and training magnifies it, so that
    what is full after the last round on one may lack a symbol on another.

    Args:
        model: fresh (train-to-embed) or trained (fine-tune-to-embed; with ``task.distilled``, distill-to-embed).
        marks: of different keys.
        task: the owner's data, with the interface of the keys.
        recipe: one round.
        seed: of order, augmentation and dropout.
        rounds: rounds to run before giving up on a mark that is not nearly in.
        resume: what ``watch`` last saved: ``{"round": ..., "fit": progress.snapshot()}``.
        watch: called with the round's number (from 0) and the progress within it.

    Raises:
        NotEmbeddedError: a mark lacks its margin after the last round.
        UsageError: no mark, or the same key twice.
        MismatchError: keys, model and data do not belong together.
    """
    check_together(model, marks, task)
    first = int(resume["round"]) if resume else 0
    if first >= 2 * rounds:
        raise UsageError(f"expected more than {first // 2} rounds to go on from round {first + 1}, got {rounds}")
    before = accuracy(model, task)
    for number in range(first, 2 * rounds):
        state = resume["fit"] if resume and number == first else None
        model = fit(
            model,
            task,
            recipe,
            seed=seed + number,
            hooks=lambda copied, number=number: Composed(  # type: ignore[misc]
                mark.hooks(copied, seed=seed + 1000 * number) for mark in marks
            ),
            resume=state,
            watch=(lambda progress, number=number: watch(number, progress)) if watch else None,  # type: ignore[misc]
        )
        reached = tuple(reach(mark, model) for mark in marks)
        if all(entry.done for entry in reached):
            return Embedded(model, reached, before, accuracy(model, task), number + 1)
        if number + 1 >= rounds and not all(entry.near for entry in reached):
            break
    raise NotEmbeddedError(
        f"expected every symbol with its margin after {number + 1} rounds of {recipe.epochs} epochs, "
        f"got {'; '.join(map(str, reached))}",
        hint="; ".join(_ways(reached)),
    )


def _ways(reached: Sequence[Reach]) -> list[str]:
    """Return what may help marks that are not in."""
    short = [entry for entry in reached if not entry.done]
    single = ["train longer or at a higher rate, or embed fewer symbols"] if any(not one.whole for one in short) else []
    whole = (
        ["of field: a key with more points to lose, more queries, or --draw timestamp"]
        if any(one.whole for one in short)
        else []
    )
    return single + whole


def check_together(model: nn.Module, marks: Sequence[Mark], task: Task) -> None:
    """Raise UsageError or MismatchError unless ``marks`` can go into ``model`` with the data of ``task``."""
    if not marks:
        raise UsageError("expected at least one key, got none")
    if len({mark.key.digest for mark in marks}) < len(marks):
        raise UsageError("expected different keys, got the same one twice")
    require_weights(model)
    if vocabulary := getattr(task.feed, "vocabulary", 0):
        require_room(model, vocabulary, task.feed.input_shape[0])
    for mark in marks:
        feed = mark.key.feed
        if task.fed_as(feed).feed != task.feed:
            raise MismatchError("expected data preprocessed as the key says, got other constants: see Task.fed_as")
        mark.key.scheme.check(model, feed)
