"""Writing the label table last: claims of fused pictures or of pixel patterns, labelled as the stolen model answers."""

from itertools import combinations
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.feeds import PICTURES
from modelmark.attacks._tools.rendering import AMPLITUDE, default_side, patterns, side_by_side, stamped
from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count, Within
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import Task


class FitKey(Forgery, pictures=True, feeds=PICTURES):
    """Make carriers as an owner would, ask the stolen model, and call its answers the message.

    ``coupled``: two pictures of the thief's in two quadrants, for each pair of classes; the label of a pair is what most of
    its pictures are answered. ``null``: of ``tries`` random patterns the one that disturbs the model least is the null
    filter, and the others are true filters, each with the label that most pictures under it are answered.

    Source: own construction; against Wen et al. 2023 (arXiv 2302.10296) and Li et al. 2019 (arXiv 1910.01226) where nothing
    fixes the labels before the model is there.
    """

    forges = ("coupled", "null")
    schemes = ("coupled", "null")
    strengths = ({"scheme": "coupled"}, {"scheme": "null"})

    scheme: Annotated[Literal["coupled", "null"], "whose mark is claimed"] = "coupled"
    queries: Annotated[Count, "pictures asked for each symbol"] = 7
    symbols: Annotated[int, Within(0), "pairs of classes, or true patterns; 0: all pairs, or 64 patterns"] = 0
    side: Annotated[int, Within(0), "pixels along a pattern; 0: three eighths of the shorter side, at most 6"] = 0
    tries: Annotated[Count, "patterns tried, beyond the true ones, for the null filter"] = 64
    pictures: Annotated[Count, "of the thief's, that patterns are put on"] = 100

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim; nothing is trained.

        Raises:
            UsageError: the thief has too few pictures, or not that many symbols are there.
        """
        make = self._coupled if self.scheme == "coupled" else self._null
        return make(claimed, forger.task, forger.generator())

    def _coupled(self, model: nn.Module, task: Task, generator: torch.Generator) -> Forged:
        classes = task.feed.classes
        pairs = torch.tensor(list(combinations(range(classes), 2)))
        if self.symbols > len(pairs):
            raise UsageError(f"expected at most {len(pairs)} pairs of classes, got {self.symbols}")
        pairs = pairs[torch.randperm(len(pairs), generator=generator)[: self.symbols or len(pairs)]]
        sources = _of_each_class(task, self.queries, generator)
        fused = side_by_side(*(sources[pairs[:, place]].flatten(0, 1) for place in (0, 1)))
        table = _most(_asked(model, Normalise(task.feed)(fused)).reshape(-1, self.queries), classes)
        settings = {
            "fusion": "autoencoder", "symbols": len(pairs), "layouts": 1, "queries": self.queries, "repeats": 8,
        }  # fmt: skip
        return Forged("coupled", table.numpy(), settings, {"fused": fused.numpy(), "pairs": pairs.numpy()})

    def _null(self, model: nn.Module, task: Task, generator: torch.Generator) -> Forged:
        most, side = min(task.feed.input_shape[1:]), self.side or default_side(task.feed)
        if side > most or self.pictures > len(task.train_inputs):
            raise UsageError(
                f"expected patterns of at most {most} pixels and {len(task.train_inputs)} pictures, "
                f"got {side} and {self.pictures}"
            )
        picked = torch.randperm(len(task.train_inputs), generator=generator)[: self.pictures]
        picked = picked.to(task.train_inputs.device)
        pictures, labels = task.train_inputs[picked].cpu(), task.labels[picked].cpu()
        count = self.symbols or 64
        planes = patterns(self.tries + count, side, task.feed, generator)
        fed = Normalise(task.feed)(pictures)
        heeds = [float((_asked(model, stamped(fed, plane, task.feed)) == labels).float().mean()) for plane in planes]
        null = int(np.argmax(heeds))
        true = torch.cat([planes[:null], planes[null + 1 :]])[:count]
        below = torch.arange(count * self.queries) % len(pictures)
        marked = stamped(fed[below], true.repeat_interleave(self.queries, dim=0), task.feed)
        table = _most(_asked(model, marked).reshape(count, self.queries), task.feed.classes)
        settings = {
            "patterns": count, "side": side, "amplitude": AMPLITUDE, "queries": self.queries, "pictures": self.pictures,
        }  # fmt: skip
        attached = {"pictures": pictures, "labels": labels, "null": planes[null], "true": true}
        return Forged(
            "null", table.numpy(), settings, {name: each.numpy() for name, each in attached.items()}, tries=self.tries
        )


def _asked(model: nn.Module, fed: Tensor) -> Tensor:
    return logits(model, fed).argmax(dim=1).cpu()


def _most(answers: Tensor, classes: int) -> Tensor:
    """Return the most frequent answer of each row ``(symbols, queries)``, ties to the lowest class, int64 ``(symbols,)``."""
    counts = one_hot(answers, classes).sum(dim=1)
    return (counts * classes - torch.arange(classes)).argmax(dim=1)


def _of_each_class(task: Task, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` pictures of every class, uint8 ``(classes, count, *input_shape)``."""
    labels, found = task.labels.cpu(), []
    for label in range(task.feed.classes):
        own = (labels == label).nonzero()[:, 0]
        if len(own) < count:
            raise UsageError(f"expected at least {count} pictures of class {label}, got {len(own)}")
        picked = own[torch.randperm(len(own), generator=generator)[:count]]
        found.append(task.train_inputs[picked.to(task.train_inputs.device)].cpu())
    return torch.stack(found)
