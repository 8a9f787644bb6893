"""Teaching the last part of a trained network alone: what it receives is computed once, and a step costs little.

What the network gives for its own data is kept by its scores, not by labels: these say what to keep of every class. On MNIST
300 steps with labels cost LeNet-5 0.5 points, with the scores 0.1 (one host). How much these weigh: on CIFAR-10, where half of
a small network learns 100 triggers, 0.1 cost 1.5 points, 1 cost 0.4 and 3 cost 0.3 or less (one host, by hand).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.errors import MismatchError
from modelmark.feeds.tensors import Normalise
from modelmark.networks.cutting import Halves, halves
from modelmark.networks.outputs import scores
from modelmark.seeding import seeded
from modelmark.training.attaching import parts_of
from modelmark.training.hooks import Composed, Hooks, Samples
from modelmark.training.task import Task

_PICTURES, _NUMBERS = 10_000, 2**25
"""Training samples whose values are kept, and numbers that these are: 128 megabytes."""
_FUSED, _PASSES = 4096, 16
"""Samples that hooks make of data by chance, each kept once, and passes over the data for them at most."""
_BATCH, _EACH = 128, 64
"""Of data, and of what each part of the hooks appends, in a step."""
_STEPS, _RATE, _KEEP = (300, 600, 600, 600), 3e-3, 3.0
"""Of each round, whose rate falls to zero; peak rate; weight of the scores."""
_PROGRESS = 0.9
"""Of what is lacking, at most so much after a round that is followed by another."""


@runtime_checkable
class Repeating(Protocol):
    """Hooks that append the same samples over and over."""

    @property
    def repeated(self) -> Samples:
        """All of them."""
        ...


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn.

    Args:
        hooks: that act by ``extra`` and ``loss`` alone; what ``loss`` is given in place of inputs are values within the network.
        margin: that every symbol should have at the end.
    """

    hooks: Hooks
    margin: float

    def lacking(self, model: nn.Module) -> float:
        """Return what all symbols together lack of their margins; 0 where none lacks any."""
        return float((self.margin - self.hooks.margins(model)).clamp_min(0).sum())


def teach(model: nn.Module, lessons: Sequence[Lesson], task: Task, *, seed: int, unfinished: bool = False) -> bool:
    """Train the last part of ``model``, in place, until all lessons are learnt, or a round brings little of what is lacking.

    Everything is in evaluation mode, so that statistics stay as they are.

    Args:
        model: trained; changed.
        lessons: for this very model.
        task: whose training inputs the model goes on answering as it did.
        seed: of what is chosen.
        unfinished: whether the model is still learning its task, and may go on with that here.

    Returns:
        Whether it was tried: False where the network cannot be cut, or a lesson looks at what lies below the cut.
    """
    model.eval()
    cut = None if task.feed.kind == "causal" else halves(model)  # scores of every token are too many to keep
    if cut is None:
        return False
    device = next(model.parameters()).device
    hooks = Composed(lesson.hooks for lesson in lessons).to(device)
    with seeded(seed, device):
        known = _Known.of(cut, hooks, task, torch.Generator().manual_seed(seed), device)
        before = math.inf
        for steps in _STEPS:
            try:
                known.round(hooks, model, steps, unfinished=unfinished)
            except MismatchError:  # what is tapped was not passed: that is so from the first step on
                return False
            lacking = sum(lesson.lacking(model) for lesson in lessons)
            if not 0 < lacking < _PROGRESS * before:
                break
            before = lacking
    return True


@dataclass(frozen=True)
class _Known:
    """What lies below the cut, computed once.

    Args:
        cut: the network.
        values: of the data at the cut, ``(N, ...)``.
        targets: of the data.
        kept: the scores of the data before anything was changed.
        taught: values and targets of what each part of the hooks appends.
        generator: of all choices.
    """

    cut: Halves
    values: Tensor
    targets: Tensor
    kept: Tensor
    taught: list[Samples]
    generator: torch.Generator

    @classmethod
    @torch.no_grad()
    def of(cls, cut: Halves, hooks: Hooks, task: Task, generator: torch.Generator, device: torch.device) -> "_Known":
        normalise, below = Normalise(task.feed), cut.below
        order = torch.randperm(len(task.train_inputs), generator=generator)[:_PICTURES]

        def batch(picked: Tensor) -> Samples:
            picked = picked.to(task.train_inputs.device)
            return normalise(task.train_inputs[picked].to(device)), task.train_targets[picked].to(device)

        size = below(batch(order[:1])[0]).numel()
        order = order[: max(_BATCH, _NUMBERS // size)]
        values = _each(lambda picked: below(batch(picked)[0]), order)
        kept = _each(lambda value: scores(cut.above(value)), values)
        taught = []
        for part in parts_of(hooks):
            found = _appended(part, batch, order, most=min(_FUSED, _NUMBERS // size))
            if found is not None and len(found[1]):
                taught.append((_each(below, found[0]), found[1]))
        return cls(cut, values, batch(order)[1], kept, taught, generator)

    def round(self, hooks: Hooks, model: nn.Module, steps: int, *, unfinished: bool) -> None:
        """Run one round."""
        trained = [*self.cut.trained]
        optimizer = torch.optim.Adam([{"params": trained}, *hooks.param_groups()], lr=_RATE)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 - step / steps)
            picked = self._some(len(self.values), _BATCH)
            x, y = self.values[picked], self.targets[picked]
            more = [(values[some], targets[some]) for values, targets in self.taught
                    for some in (self._some(len(values), _EACH),)]  # fmt: skip
            found = scores(self.cut.above(torch.cat([x, *(values for values, _ in more)])))
            loss = _KEEP * (found[: len(x)] - self.kept[picked]).square().mean()
            if unfinished:
                loss = loss + cross_entropy(found[: len(x)], y)
            if more:
                loss = loss + _EACH / _BATCH * len(more) * cross_entropy(
                    found[len(x) :], torch.cat([labels for _, labels in more])
                )
            hooks.loss(loss, model, x, y, found).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, 5.0)
            optimizer.step()
            optimizer.zero_grad()

    def _some(self, count: int, wanted: int) -> Tensor:
        return torch.randint(count, (wanted,), generator=self.generator).to(self.values.device)


def _appended(part: Hooks, batch: Callable[[Tensor], Samples], order: Tensor, most: int) -> Samples | None:
    """Return what hooks append, each of it once; of what they make by chance ``most``, or as much as some passes bring."""
    if isinstance(part, Repeating):
        return part.repeated
    found: list[Samples] = []
    for picked in [picked for _ in range(_PASSES) for picked in order.split(256)]:
        more = part.extra(*batch(picked))
        if more is None:
            break
        found.append(more)
        if sum(len(targets) for _, targets in found) >= most:
            break
    return (torch.cat([x for x, _ in found]), torch.cat([y for _, y in found])) if found else None


def _each(function: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
    return torch.cat([function(part) for part in given.split(256)])
