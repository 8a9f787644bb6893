"""Teaching the last part of a trained network alone: what it receives is computed once, and a step costs little.

What the network gives for its own data is kept by its scores, not by labels: these say what to keep of every class. On MNIST
300 steps with labels cost LeNet-5 0.5 points, with the scores 0.1 (one host). How much these weigh: on CIFAR-10, where half of
a small network learns 100 triggers, 0.1 cost 1.5 points, 1 cost 0.4 and 3 cost 0.3 or less (one host, by hand). One that
tells a tenth of its training data wrongly goes on with labels, too.

What is learnt by small changes of many small weights is gone when these are pruned. A ``THOROUGH`` course takes its steps with
the smallest weights left out, another share of them each time, and its weights decay: of 90 fused pictures on LeNet-5, 65 %
pruning left 57 without, 81 and more with it (one host, by hand).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.errors import MismatchError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.networks.cutting import Halves, halves
from modelmark.networks.outputs import scores
from modelmark.networks.strides import channels_last, takes_channels_last
from modelmark.seeding import seeded
from modelmark.training.attaching import parts_of
from modelmark.training.hooks import Composed, Hooks, Samples
from modelmark.training.norms import Norms
from modelmark.training.task import Task

_PICTURES, _NUMBERS = 20_000, 2**25
"""Training samples whose values are kept, and numbers that these are: 128 megabytes."""
_AT_ONCE = 128
"""Samples that go through what lies below the cut at a time."""
_LEARNING = 0.1
"""Share of those samples that a network which still learns tells wrongly, at least."""
_PASSES = 16
"""Over the data, at most, for samples that hooks make of it by chance."""
_EACH, _RATE = 64, 3e-3
"""Samples of what each part of the hooks appends, in a step; peak rate, which falls to zero in each round."""
_RANKED, _COUNT = 50, 4096
"""Steps after which weights are ranked again, and statistics taken again; samples of data that these are of."""
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
class Course:
    """How a network is taught.

    Args:
        rounds: steps of each; the next follows where something is lacking.
        data: samples of data in a step.
        keep: weight of the scores of data.
        weight: of each part of what hooks append.
        made: samples that hooks make of data by chance, each kept once.
        decay: of weights, by the rate.
        pruned: share of all weights, the smallest, up to which a step leaves them out; each step draws its own.
    """

    rounds: tuple[int, ...] = (300, 600, 600, 600)
    data: int = 128
    keep: float = 3.0
    weight: float = 0.5
    made: int = 4096
    decay: float = 0.0
    pruned: float = 0.0


QUICK = Course()
THOROUGH = Course(rounds=(1500, 900), keep=1.0, weight=0.5, made=8192, decay=0.3, pruned=0.7)
"""For what small weights would carry alone."""


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn.

    Args:
        hooks: that act by ``extra`` and ``loss`` alone; what ``loss`` is given in place of inputs are values within the network.
        margin: that every symbol should have at the end.
        course: how it is taught; of several lessons the longest counts.
    """

    hooks: Hooks
    margin: float
    course: Course = QUICK

    def lacking(self, model: nn.Module) -> float:
        """Return what all symbols together lack of their margins; 0 where none lacks any."""
        return float((self.margin - self.hooks.margins(model)).clamp_min(0).sum())


def teach(model: nn.Module, lessons: Sequence[Lesson], task: Task, *, seed: int, unfinished: bool = False) -> bool:
    """Train the last part of ``model``, in place, until all lessons are learnt, or a round brings little of what is lacking.

    Everything is in evaluation mode. Batch norms above the cut normalise by the statistics of the data as it is in a step, and
    keep those of the end: with statistics of before, fine-tuning took 60 of 160 bits of ``deepsigns`` on CIFAR-10.

    Args:
        model: trained; changed.
        lessons: for this very model.
        task: whose training inputs the model goes on answering as it did.
        seed: of what is chosen.
        unfinished: whether the model is still learning its task, which what it tells of the data can say, too.

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
        course = max((lesson.course for lesson in lessons), key=lambda one: sum(one.rounds))
        known = _Known.of(cut, model, hooks, task, course, torch.Generator().manual_seed(seed), device)
        labelled, before = unfinished or known.mistaken >= _LEARNING, math.inf
        for steps in course.rounds:
            try:
                known.round(hooks, model, steps, labelled=labelled)
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
        course: how it is taught.
        values: of the data at the cut, ``(N, ...)``.
        targets: of the data.
        kept: the scores of the data before anything was changed.
        taught: values and targets of what each part of the hooks appends.
        generator: of all choices.
    """

    cut: Halves
    course: Course
    values: Tensor
    targets: Tensor
    kept: Tensor
    taught: list[Samples]
    generator: torch.Generator

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        cut: Halves,
        model: nn.Module,
        hooks: Hooks,
        task: Task,
        course: Course,
        generator: torch.Generator,
        device: torch.device,
    ) -> "_Known":
        normalise, below = Normalise(task.feed), cut.below
        last = takes_channels_last(model, normalise(task.train_inputs[:2]))
        order = torch.randperm(len(task.train_inputs), generator=generator)[:_PICTURES]

        def batch(picked: Tensor) -> Samples:
            picked = picked.to(task.train_inputs.device)
            x = normalise(task.train_inputs[picked].to(device))
            return channels_last(x) if last else x, task.train_targets[picked].to(device)

        size = below(batch(order[:1])[0]).numel()
        order = order[: max(course.data, _NUMBERS // size)]
        values = _each(lambda picked: below(batch(picked)[0]), order)
        kept = _each(lambda value: scores(cut.above(value)), values)
        taught = []
        for part in parts_of(hooks):
            found = _appended(part, batch, order, most=min(course.made, _NUMBERS // size))
            if found is not None and len(found[1]):
                taught.append((_each(below, channels_last(found[0]) if last else found[0]), found[1]))
        return cls(cut, course, values, batch(order)[1], kept, taught, generator)

    @property
    def mistaken(self) -> float:
        """Share of the data that the network told wrongly before anything was changed."""
        labels = self.targets.argmax(dim=1) if self.targets.is_floating_point() else self.targets
        return float((self.kept.argmax(dim=1) != labels).float().mean())

    def round(self, hooks: Hooks, model: nn.Module, steps: int, *, labelled: bool) -> None:
        """Run one round; ``labelled``: scores of data are drawn to its labels, too."""
        course, trained = self.course, [*self.cut.trained]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.dim() > 1]},
            {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
            *hooks.param_groups(),
        ]
        fused = self.values.device.type in ("cpu", "cuda")  # a quarter of the time of one that is not
        optimizer = torch.optim.AdamW(groups, lr=_RATE, weight_decay=course.decay, fused=fused)
        least, norms = _Least(model, trained) if course.pruned else None, Norms(self.cut.above)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 - step / steps)
            if least is not None and step % _RANKED == 0:
                least.rank()
            picked = self._some(len(self.values), course.data)
            x, y = self.values[picked], self.targets[picked]
            more = [(values[some], targets[some]) for values, targets in self.taught
                    for some in (self._some(len(values), _EACH),)]  # fmt: skip
            share = course.pruned * float(torch.rand((), generator=self.generator)) if least is not None else 0.0
            with least.without(share) if least is not None else nullcontext():
                with norms.by_first(len(x)):
                    found = scores(self.cut.above(torch.cat([x, *(values for values, _ in more)])))
                loss = course.keep * (found[: len(x)] - self.kept[picked]).square().mean()
                if labelled:
                    loss = loss + cross_entropy(found[: len(x)], y)
                if more:
                    loss = loss + course.weight * len(more) * cross_entropy(
                        found[len(x) :], torch.cat([labels for _, labels in more])
                    )
                hooks.loss(loss, model, x, y, found).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, 5.0)
            optimizer.step()
            optimizer.zero_grad()
        norms.take(self.values[self._some(len(self.values), _COUNT)])

    def _some(self, count: int, wanted: int) -> Tensor:
        return torch.randint(count, (wanted,), generator=self.generator).to(self.values.device)


class _Least:
    """The smallest weights of a network, which a step can be taken without; what is trained of them is changed all the same.

    Args:
        model: whose weights are ranked together, those of all linear and convolution layers.
        trained: what may change; the rest stays as it is, and with it what lies below the cut.
    """

    def __init__(self, model: nn.Module, trained: Sequence[nn.Parameter]) -> None:
        self._all = [layers.weight(model, layer.path) for layer in layers.markable(model)]
        own = {id(parameter) for parameter in trained}
        self._trained = [weight for weight in self._all if id(weight) in own]
        self._ranked = torch.empty(0)

    @torch.no_grad()
    def rank(self) -> None:
        """Put the weights in their order."""
        self._ranked = torch.cat([weight.abs().flatten() for weight in self._all]).sort().values

    @contextmanager
    def without(self, share: float) -> Iterator[None]:
        """Put zero in the place of so many of the weights, and the weights back behind the step's gradients."""
        least, given = self._ranked[int(share * len(self._ranked))], [weight.data for weight in self._trained]
        for weight in self._trained:
            weight.data = weight.data * (weight.data.abs() >= least)
        try:
            yield
        finally:
            for weight, data in zip(self._trained, given, strict=True):
                weight.data = data


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
    return torch.cat([function(part) for part in given.split(_AT_ONCE)])
