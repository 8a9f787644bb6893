"""Lv et al. 2024: halves of two classes' pictures in one, answered like both where that is possible.

Source: Lv et al., "MEA-Defender: a robust watermark against model extraction attack", IEEE S&P 2024, arXiv 2401.15239; losses
from the authors' release.

Inputs are made of parts that a thief's pictures have too, and outputs on them are held near the outputs on those parts, so that
who learns the task from answers learns the mark with it; that is the hope.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from modelmark.carriers.base import Carriers
from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.networks import taps
from modelmark.networks.calling import scored
from modelmark.schemes import _fusion, _pairing, blackbox
from modelmark.schemes._labelled import PLURALITY
from modelmark.schemes._masking import Coupling
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.training.hooks import Hooks
from modelmark.training.task import Task

_LAYOUTS = 2
"""Side by side, and one above the other."""
_P = TypeVar("_P", npt.NDArray[np.uint8], Tensor)


@dataclass(frozen=True, eq=False)
class Composed(Pictures):
    """Pictures of two halves, and what each symbol is made of.

    Args:
        pairs: first class, second class and layout of each symbol, int64 ``(symbols, 3)``.
    """

    pairs: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))


@dataclass(frozen=True)
class Composite(Drawn):
    """Halves of two classes' pictures side by side, a drawn label for each pair of classes (black-box).

    Departs: with ``message="drawn"`` a symbol is an ordered pair of classes and its label is drawn over all classes after the
    pictures are committed; the paper has one pair and one label outside it.
    Departs: halves are cut and joined where they are; the release shifts them by a few pixels and exchanges them at random.
    Departs: the loss on outputs has a fixed weight, and its two pictures are those that the halves are of; the release weighs by
    a multi-objective solver, takes all samples of both classes, and pushes outputs of the classes apart besides.

    Args:
        symbols: left out: all pairs of classes, in both layouts where the bar needs them, at most 128 unless it needs more.
        layouts: 1: side by side; 2: one above the other, too; left out: as few as leave a quarter of the symbols to lose.
        queries: pictures asked for each symbol; its answer is their plurality.
        per_hundred: pairs of the batch's own samples, joined anew for every hundred samples; such that the total is even.
        repeats: of the key's own pictures for every hundred samples, likewise.
        weight: of the loss on outputs: how far, as divergence, outputs on a composite are from those on its two pictures.
        margin: embedding is done when the majority of every symbol's queries lead by this much in the outputs (logits).
        message: ``drawn``, or ``secret`` (literal: two classes, one label outside them, ``triggers`` pictures).
        triggers: pictures of the literal form.
    """

    name: ClassVar[str] = "composite"
    summary: ClassVar[str] = "halves of two classes' pictures, a label per pair of classes (Lv et al. 2024)"
    feeds: ClassVar[tuple[str, ...]] = ("pictures",)
    reads: ClassVar[type[Carriers]] = Pictures
    reading: ClassVar[str] = PLURALITY
    counted: ClassVar[str] = "symbols"

    symbols: int | None = None
    layouts: int | None = None
    queries: int = 7
    per_hundred: int = 16
    repeats: int = 16
    weight: float = 0.1
    margin: float = 0.1
    message: Literal["drawn", "secret"] = "drawn"
    triggers: int = 100

    def __post_init__(self) -> None:
        if self.symbols is not None and not 1 <= self.symbols <= 16384:
            raise ValueError(f"expected 1 to 16384 symbols, got {self.symbols}")
        if self._literal and self.symbols not in (None, self.triggers):
            raise ValueError(f"expected as many symbols as triggers, {self.triggers}, got {self.symbols}")
        if self.layouts is not None and not 1 <= self.layouts <= _LAYOUTS:
            raise ValueError(f"expected 1 or {_LAYOUTS} layouts, got {self.layouts}")
        if not (1 <= self.queries <= 1000 and 1 <= self.triggers <= 16384):
            raise ValueError(f"expected 1 to 1000 queries, 1 to 16384 triggers, got {self.queries}, {self.triggers}")
        if not (1 <= self.per_hundred <= 100 and 1 <= self.repeats <= 100):
            raise ValueError(f"expected per_hundred and repeats from 1 to 100, got {self.per_hundred}, {self.repeats}")
        if not (0 <= self.margin < float("inf") and 0 <= self.weight < float("inf")):
            raise ValueError(f"expected margin and weight >= 0, got {self.margin} and {self.weight}")

    @property
    def _literal(self) -> bool:
        return self.message == "secret"

    @property
    def _each(self) -> int:
        return 1 if self._literal else self.queries

    def _pairing(self, feed: Feed) -> _pairing.Pairing:
        if self.symbols is None or self.layouts is None:
            raise ValueError("expected a resolved scheme, got one whose symbols or layouts are left open")
        kept = self.triggers if self._literal else self.queries
        return _pairing.Pairing(self.name, feed.classes, self.symbols, self.layouts, kept, literal=self._literal)

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "Composite":
        """Fill in the number of symbols and layouts, and check that so many different ones exist."""
        if feed.kind != "pictures" or len(feed.input_shape) != 3 or min(feed.input_shape[1:]) < 2:
            raise UsageError(f"expected pictures (channels, height, width), got inputs {feed.input_shape}")
        if feed.classes < 3:
            raise UsageError(f"expected at least three classes, got {feed.classes}")
        if self._literal:
            return replace(self, symbols=self.triggers, layouts=1)
        pairs = _pairing.combinations(feed.classes, symmetric=False)
        fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, feed.classes))
        symbols, layouts = _pairing.enough(pairs, fewest, self.symbols, self.layouts, _LAYOUTS)
        resolved = replace(self, symbols=symbols, layouts=layouts)
        resolved._check_capacity(feed)
        return resolved

    def _check_capacity(self, feed: Feed) -> None:
        pairing = self._pairing(feed)
        require_bytes(pairing.symbols * self._each, feed.input_shape)
        pairing.require_capacity()

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``sources``, the pictures that halves are of, picked by the secret."""
        if task is None:
            raise UsageError("expected data, got none", hint="triggers are made of the owner's pictures: --data")
        return {"sources": self._pairing(task.feed).sources(secret, task)}

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per pair of classes and layout; in the literal form one per trigger."""
        return self._pairing(feed).symbols, feed.classes

    def objection(self) -> str:
        """Return why the literal form has no exact test."""
        return "all triggers share one label, so their matches are not independent" if self._literal else ""

    def carriers(self, material: Material) -> Composed:
        """Return the joined pictures; the literal label follows.

        Raises:
            MismatchError: what is attached is not this key's.
        """
        secret, feed = material.secret, material.feed
        self._check_capacity(feed)
        pairing, chosen = self._pairing(feed), self.literal_message(material)
        kept = len(pairing.needed(secret)), pairing.queries
        sources = blackbox.attached(material.attachments, "sources", kept, feed)
        first, second, layouts = pairing.paired(secret, feed, sources)
        leaves = () if chosen is None else label_leaves(chosen[:1])
        return Composed(feed, halves(first, second, layouts), self._each, leaves, pairs=pairing.pairs(secret))

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the target class of the literal form for every trigger, or None where the draw decides."""
        if not self._literal:
            return None
        return np.full(self.triggers, self._pairing(material.feed).target(material.secret))

    def hooks(self, carriers: Composed, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hooks that append the key's pictures to every batch, and join pairs of its own."""
        self.check(model, carriers.feed)
        inputs = blackbox.pictures(carriers.pictures, carriers.feed)
        labels = torch.from_numpy(message).repeat_interleave(self._each)
        classes, layouts = carriers.feed.classes, self._pairing(carriers.feed).layouts
        table = torch.full((classes, classes, layouts), -1)
        first, second, layout = torch.from_numpy(carriers.pairs).T
        table[first, second, layout] = torch.from_numpy(message)
        joining = Joining(_fusion.Fusing(halves, table, self.per_hundred, seed), self.weight)
        return Coupling([blackbox.Mixing(inputs, labels, self.repeats, seed), joining], inputs, labels, self._each)


class Joining(Hooks):
    """Joins pairs of the batch's own samples at every step; what they cost joins the loss, and how unlike their halves they are.

    Args:
        pairs: picks and joins them.
        weight: of the divergences.
    """

    def __init__(self, pairs: _fusion.Fusing, weight: float) -> None:
        super().__init__()
        self.pairs = pairs
        self._weight = weight

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add the cross-entropy of joined pairs, as a share of the batch, and their divergence from both pictures."""
        first, second, joined, labels = self.pairs.chosen(x, y)
        count = len(joined)
        if not count:
            return loss
        with taps.aside():
            found = scored(model, torch.cat([first, second, joined]))
        with torch.autocast(x.device.type, enabled=False):
            whole, own = found[: 2 * count].detach().float(), found[2 * count :].float()
            parts, both = log_softmax(whole, dim=1), log_softmax(own, dim=1)
            apart = kl_div(parts, both.repeat(2, 1), reduction="sum", log_target=True) / count
            return loss + (count / len(x)) * (cross_entropy(own, labels) + self._weight * apart)


def halves(first: _P, second: _P, layouts: Any) -> _P:
    """Return the left half of one beside the right half of the other, or the upper above the lower, as the layout says.

    Args:
        first: ``(N, C, H, W)``, bytes or what ``forward`` takes.
        second: likewise.
        layouts: 0: side by side; 1: one above the other, ``(N,)``.
    """
    found = second.copy() if isinstance(second, np.ndarray) else second.clone()
    beside, above = layouts == 0, layouts == 1
    height, width = found.shape[2] // 2, found.shape[3] // 2
    found[beside, :, :, :width] = first[beside, :, :, :width]
    found[above, :, :height] = first[above, :, :height]
    return found
