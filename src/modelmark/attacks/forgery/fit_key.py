"""Writing the label table last: claims of fused pictures or of pixel patterns, labelled as the stolen model answers."""

from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, one_hot

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.interface import FULL_SCALE
from modelmark.preprocess import Normalise
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch

_AMPLITUDE = 2000
"""Of a pattern, on the scale of 0 to 255, as in Li et al. 2019."""


class FitKey(Attack):
    """Make carriers as an owner would, ask the stolen model, and call its answers the message.

    ``coupled``: two pictures of the thief's in two quadrants, for each pair of classes; the label of a pair is what most of
    its pictures are answered. ``null``: of ``tries`` random patterns the one that disturbs the model least is the null
    filter, and the others are true filters, each with the label that most pictures under it are answered.

    Source: own construction, against Wen et al. 2023 (arXiv 2302.10296) and Li et al. 2019 (arXiv 1910.01226) where nothing
    fixes the labels before the model is there.

    Args:
        scheme: whose mark is claimed: ``coupled`` or ``null``.
        queries: pictures asked for each symbol.
        symbols: pairs of classes, or true patterns; 0: all pairs, or 64 patterns.
        side: n, pixels along a pattern; 0: three eighths of the shorter side, at most 6.
        tries: patterns tried, beyond the true ones, for the null filter.
        pictures: of the thief's, that patterns are put on.
    """

    name: ClassVar[str] = "fit-key"
    summary: ClassVar[str] = "claim fused pictures or patterns whose labels were read off the stolen model"
    source: ClassVar[str] = "own construction"
    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]] = ("coupled", "null")
    schemes: ClassVar[tuple[str, ...]] = ("coupled", "null")
    transfers: ClassVar[bool] = False
    family: ClassVar[str] = "forgery"
    strengths: ClassVar[Strengths] = ({"scheme": "coupled"}, {"scheme": "null"})

    scheme: Literal["coupled", "null"] = "coupled"
    queries: int = 7
    symbols: int = 0
    side: int = 0
    tries: int = 64
    pictures: int = 100

    def __post_init__(self) -> None:
        if min(self.queries, self.tries, self.pictures) < 1 or min(self.symbols, self.side) < 0:
            raise ValueError(
                "expected at least one query, try and picture, and symbols and side from 0, "
                f"got {self.queries}, {self.tries}, {self.pictures}, {self.symbols} and {self.side}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return the claim; nothing is trained.

        Raises:
            UsageError: inputs are no pictures, or the thief has too few.
        """
        if len(task.interface.input_shape) != 3:
            raise UsageError(f"expected pictures (channels, height, width), got inputs {task.interface.input_shape}")
        generator = torch.Generator().manual_seed(seed)
        make = self._coupled if self.scheme == "coupled" else self._null
        return make(model, task, generator)

    def _coupled(self, model: nn.Module, task: Task, generator: torch.Generator) -> Forged:
        classes = task.interface.classes
        pairs = torch.tensor(list(combinations(range(classes), 2)))
        if self.symbols > len(pairs):
            raise UsageError(f"expected at most {len(pairs)} pairs of classes, got {self.symbols}")
        pairs = pairs[torch.randperm(len(pairs), generator=generator)[: self.symbols or len(pairs)]]
        sources = _of_each_class(task, self.queries, generator)
        fused = _side_by_side(*(sources[pairs[:, place]].flatten(0, 1) for place in (0, 1)))
        table = _most(_asked(model, Normalise(task.interface)(fused)).reshape(-1, self.queries), classes)
        settings = {
            "fusion": "autoencoder", "symbols": len(pairs), "layouts": 1, "queries": self.queries, "repeats": 8,
        }  # fmt: skip
        return Forged("coupled", table.numpy(), settings, {"fused": fused.numpy(), "pairs": pairs.numpy()})

    def _null(self, model: nn.Module, task: Task, generator: torch.Generator) -> Forged:
        classes, (_, height, width) = task.interface.classes, task.interface.input_shape
        side = self.side or min(6, max(2, min(height, width) * 3 // 8))
        if side > min(height, width) or self.pictures > len(task.train_inputs):
            raise UsageError(
                f"expected patterns of at most {min(height, width)} pixels and {len(task.train_inputs)} pictures, "
                f"got {side} and {self.pictures}"
            )
        picked = torch.randperm(len(task.train_inputs), generator=generator)[: self.pictures]
        pictures = task.train_inputs[picked.to(task.train_inputs.device)].cpu()
        targets = task.train_targets[picked.to(task.train_inputs.device)].cpu()
        labels = targets.argmax(dim=1) if targets.is_floating_point() else targets
        count = self.symbols or 64
        planes = _patterns(self.tries + count, side, height, width, generator)
        fed = Normalise(task.interface)(pictures)
        heeds = [float((_asked(model, _stamped(fed, plane, task)) == labels).float().mean()) for plane in planes]
        null = int(np.argmax(heeds))
        true = torch.cat([planes[:null], planes[null + 1 :]])[:count]
        below = torch.arange(count * self.queries) % len(pictures)
        stamped = _stamped(fed[below], true.repeat_interleave(self.queries, dim=0), task)
        table = _most(_asked(model, stamped).reshape(count, self.queries), classes)
        settings = {
            "patterns": count, "side": side, "amplitude": _AMPLITUDE, "queries": self.queries, "pictures": self.pictures,
        }  # fmt: skip
        attached = {
            "pictures": pictures.numpy(),
            "labels": labels.numpy(),
            "null": planes[null].numpy(),
            "true": true.numpy(),
        }
        return Forged("null", table.numpy(), settings, attached, tries=self.tries)


def _asked(model: nn.Module, fed: Tensor) -> Tensor:
    return logits(model, fed).argmax(dim=1).cpu()


def _most(answers: Tensor, classes: int) -> Tensor:
    """Return the most frequent answer of each row ``(symbols, queries)``, ties to the lowest class, int64 ``(symbols,)``."""
    counts = one_hot(answers, classes).sum(dim=1)
    return (counts * classes - torch.arange(classes)).argmax(dim=1)


def _of_each_class(task: Task, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` pictures of every class, uint8 ``(classes, count, *input_shape)``."""
    targets = task.train_targets.argmax(dim=1) if task.train_targets.is_floating_point() else task.train_targets
    found = []
    for label in range(task.interface.classes):
        own = (targets.cpu() == label).nonzero()[:, 0]
        if len(own) < count:
            raise UsageError(f"expected at least {count} pictures of class {label}, got {len(own)}")
        picked = own[torch.randperm(len(own), generator=generator)[:count]]
        found.append(task.train_inputs[picked.to(task.train_inputs.device)].cpu())
    return torch.stack(found)


def _side_by_side(first: Tensor, second: Tensor) -> Tensor:
    """Return both uint8 pictures at half size, upper left and lower right on white, uint8 ``(N, C, H, W)``."""
    white = torch.full_like(first, FULL_SCALE)
    canvas = torch.cat([torch.cat([first, white], dim=3), torch.cat([white, second], dim=3)], dim=2)
    return avg_pool2d(canvas.float(), 2).round().to(torch.uint8)


def _patterns(count: int, side: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return random patterns of +1 and -1 at random places, 0 elsewhere, int8 ``(count, height, width)``."""
    planes = torch.zeros(count, height, width, dtype=torch.int8)
    signs = torch.randint(0, 2, (count, side, side), dtype=torch.int8, generator=generator) * 2 - 1
    rows = (
        torch.randint(0, height - side + 1, (count,), generator=generator)[:, None, None] + torch.arange(side)[:, None]
    )
    columns = torch.randint(0, width - side + 1, (count,), generator=generator)[:, None, None] + torch.arange(side)
    planes[torch.arange(count)[:, None, None], rows, columns] = signs
    return planes


def _stamped(fed: Tensor, planes: Tensor, task: Task) -> Tensor:
    """Return inputs as ``forward`` takes them with ``+-amplitude`` where a plane ``(H, W)`` or ``(N, H, W)`` says so."""
    unit = Normalise(task.interface)
    channels = task.interface.input_shape[0]
    high, low = (unit(torch.full((1, channels, 1, 1), sign * _AMPLITUDE, dtype=torch.float32)) for sign in (1, -1))
    planes = planes.expand(len(fed), *planes.shape[-2:])[:, None]
    return torch.where(planes > 0, high, torch.where(planes < 0, low, fed))
