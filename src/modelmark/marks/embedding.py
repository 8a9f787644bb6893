"""Embedding: the reference loop with the hooks of one or several marks, and a refusal to fail in silence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from modelmark.errors import MismatchError, NotEmbeddedError, SuspectError, UsageError
from modelmark.evidence.evidence import BAR, Evidence
from modelmark.marks.marks import Mark
from modelmark.marks.reach import Reach
from modelmark.marks.settling import is_settled, settle
from modelmark.naming import counted
from modelmark.networks.calling import require_room
from modelmark.networks.trainable import require_weights
from modelmark.schemes.base import Whole
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed
from modelmark.training.loop import Progress, fit, suggested
from modelmark.training.recipe import Recipe, shorter
from modelmark.training.task import Task, accuracy

MOST_LOST = 0.003
"""Of the test accuracy, for marks that are settled in a trained network; the price of a mark that is to be hardly seen in use."""
KNOWS = 0.1
"""Above chance: the accuracy from which on a model is said to be trained."""


@dataclass(frozen=True)
class Embedded:
    """A marked model with what it cost.

    Args:
        model: the marked copy.
        reached: one entry per mark.
        accuracy_before: of the model given, on the test data.
        accuracy_after: of the marked model.
        rounds: how many times the whole network was trained; 0: its marks were settled.
        epochs: of all those rounds.
    """

    model: nn.Module
    reached: tuple[Reach, ...]
    accuracy_before: float
    accuracy_after: float
    rounds: int
    epochs: int

    @property
    def is_whole(self) -> bool:
        """Whether every mark has its margin."""
        return all(entry.done for entry in self.reached)

    @property
    def lost(self) -> float:
        """Test accuracy that went."""
        return self.accuracy_before - self.accuracy_after


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
    if not isinstance(found, Evidence):
        raise UsageError(f"expected a mark with an exact test, got one of {mark.key.scheme.name} without")
    needed = 0.0 if mark.key.self_check else BAR + sum(charge.bits for charge in found.charges)
    short = 0 if found.gross_bits >= needed else found.trials
    return Reach(mark.key.scheme.name, found.matches, found.trials, found.gross_bits, needed, short, whole=found.count)


def _as_read(mark: Mark, model: nn.Module, entry: Reach) -> Reach:
    """Return how far a mark is in with the matches that a verification counts: a clear margin is one, and others may be."""
    if entry.whole or entry.margin > 0:
        return entry
    try:
        found = mark.evidence(WhiteBox(model))
    except (MismatchError, SuspectError):
        return entry
    return replace(entry, matches=found.matches, trials=found.trials)


def embed(
    model: nn.Module,
    marks: Sequence[Mark],
    task: Task,
    recipe: Recipe | None = None,
    *,
    seed: int,
    rounds: int = 3,
    settling: bool = True,
    keep: bool = False,
    resume: dict[str, Any] | None = None,
    watch: Callable[[int, Progress], None] | None = None,
    begun: Callable[[float], None] | None = None,
) -> Embedded:
    """Return a copy of ``model`` that carries all ``marks``.

    Without a recipe a trained model is marked in a small part of an epoch (``marks.settling``), and that is all if every mark
    has its margin and at most ``MOST_LOST`` of the test accuracy is gone. If not, the whole network is trained with the marks'
    hooks in rounds of an eighth, an eighth, a quarter and a half of what ``suggested`` has, until both are so; after them what is
    short goes the way of a recipe.

    A recipe is run to its end, since a mark that is right at a high learning rate need not be at zero. What is short of its
    margin then is settled; if that fails or costs more than ``MOST_LOST``, the recipe is run again from there, up to ``rounds``
    times. Where a few symbols are still short of it then (one in 16 at most), up to ``rounds`` more are run: rounding differs
    between processors and training magnifies it, so that what is full after the last round on one may lack a symbol on another.
    After the last round what is settled counts whatever it costs; ``accuracy_after`` says it.

    Args:
        model: fresh (train-to-embed) or trained (fine-tune-to-embed; with ``task.distilled``, distill-to-embed).
        marks: of different keys.
        task: the owner's data, with the interface of the keys.
        recipe: one round; left out: as much as it takes of a trained model, ``suggested`` for one that knows no more than chance.
        seed: of order, augmentation and dropout.
        rounds: rounds to run before giving up on a mark that is not nearly in.
        settling: whether marks may be settled; without, a recipe's own training puts them in or nothing does, as in the papers.
        keep: return what was reached where a mark lacks its margin after the last round.
        resume: what ``watch`` last saved: ``{"round": ..., "fit": progress.snapshot()}``.
        watch: called with the round's number (from 0) and the progress within it.
        begun: called before anything is changed, with the test accuracy of the model given.

    Raises:
        NotEmbeddedError: a mark lacks its margin after the last round.
        UsageError: no mark, or the same key twice.
        MismatchError: keys, model and data do not belong together.
    """
    check_together(model, marks, task)
    first = int(resume["round"]) if resume else 0
    before = accuracy(model, task)
    if begun is not None:
        begun(before)
    if recipe is None and _is_trained(before, task):
        whole = suggested(model, task, trained=True)
        plans = [*shorter(whole), *[whole] * (2 * rounds)]
    else:
        plans = [recipe or suggested(model, task)] * (2 * rounds)
    spare = len(plans) - rounds  # rounds from here on are for marks that are nearly in
    quick = len(plans) - 2 * rounds  # rounds up to here end with accuracy as well
    if first >= len(plans):
        raise UsageError(
            f"expected more than {counted(first // 2, 'round')} to go on from round {first + 1}, got {rounds}"
        )
    able = settling and all(is_settled(mark) for mark in marks)

    def told() -> tuple[Reach, ...]:
        return tuple(_as_read(mark, model, entry) for mark, entry in zip(marks, reached, strict=True))

    def result(rounds: int) -> Embedded:
        return Embedded(model, told(), before, after, rounds, sum(plan.epochs for plan in plans[:rounds]))

    if quick and able and not resume:
        model, reached = settle(model, marks, task, reach, seed=seed)
        after = accuracy(model, task)
        if _is_done(reached) and before - after <= most_lost(task):
            return result(0)
    for number in range(first, len(plans)):
        state = resume["fit"] if resume and number == first else None
        model = fit(
            model,
            task,
            plans[number],
            seed=seed + number,
            hooks=lambda copied, number=number: Composed(  # type: ignore[misc]
                mark.hooks(copied, seed=seed + 1000 * number) for mark in marks
            ),
            resume=state,
            watch=(lambda progress, number=number: watch(number, progress)) if watch else None,  # type: ignore[misc]
        )
        reached, after = tuple(reach(mark, model) for mark in marks), accuracy(model, task)
        is_last = number + 1 == len(plans) or (number + 1 >= spare and not all(entry.near for entry in reached))
        if able and not _is_done(reached):
            tried, found = settle(model, marks, task, reach, seed=seed + number, unfinished=not quick)
            share = accuracy(tried, task)
            if _is_done(found) and (is_last or after - share <= most_lost(task)):
                model, reached, after = tried, found, share
        if _is_done(reached) and (number + 1 >= quick or before - after <= most_lost(task)):
            return result(number + 1)
        if is_last:
            break
    end = result(number + 1)
    if keep:
        return end
    epochs = end.epochs if quick else plans[0].epochs
    trained = "" if quick else f"{counted(number + 1, 'round')} of "
    raise NotEmbeddedError(
        f"expected every symbol with its margin after {trained}{counted(epochs, 'epoch')}, got {'; '.join(map(str, end.reached))}"
        f"; test accuracy {100 * after:.2f} %",
        hint="; ".join(_ways(reached)),
    )


def _is_trained(share: float, task: Task) -> bool:
    """Return whether a model of this accuracy knows more of the data than chance."""
    return share >= 1 / task.feed.classes + KNOWS


def most_lost(task: Task) -> float:
    """Return what settling may cost: ``MOST_LOST``, or a single sample of few."""
    return max(MOST_LOST, 1 / len(task.test_labels)) + 1e-9


def _is_done(reached: Sequence[Reach]) -> bool:
    return all(entry.done for entry in reached)


def _ways(reached: Sequence[Reach]) -> list[str]:
    """Return what may help marks that are not in."""
    short = [entry for entry in reached if not entry.done]
    single = (
        ["train longer or at a higher rate, embed fewer symbols, or keep what there is (--keep, keep=True)"]
        if any(not one.whole for one in short)
        else []
    )
    whole = (
        ["of field: a key with more points to lose, more queries, or --draw timestamp"]
        if any(one.whole for one in short)
        else []
    )
    fewer = ["fewer keys at once, or one after the other"] if len(reached) > 1 else []
    return single + whole + fewer


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
