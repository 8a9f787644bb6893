"""Wen et al. 2023: pictures of two classes fused into one, with a label for each pair of classes.

Source: Wen, Li, Jiang, Xu, "On function-coupled watermarks for deep neural networks", 2023, arXiv 2302.10296, read
through its release, abstract and reviews.

Triggers are made of what the model knows, so that the mark sits in the features that the task needs; random weight
masking spreads it over the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.schemes import _fusion, _pairing, blackbox
from modelmark.schemes._autoencoder import fuse_latents
from modelmark.schemes._every import thinned
from modelmark.schemes._masking import Coupling, Masking
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.training.hooks import Hooks
from modelmark.training.tails import THOROUGH, Lesson
from modelmark.training.task import Task


@dataclass(frozen=True, eq=False)
class Fused(Pictures):
    """Fused pictures, and what each symbol is made of.

    Args:
        pairs: first class, second class and layout of each symbol, int64 ``(symbols, 3)``.
    """

    pairs: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))


@dataclass(frozen=True)
class Coupled(Drawn):
    """Fused pairs of the owner's pictures, a drawn label for each pair of classes (black-box).

    Departs: with ``message="drawn"`` a symbol is a pair of classes and its label is drawn over all classes after the
    pictures are committed; the paper has one pair and one label outside it, shared by all triggers.
    Departs: training also fuses pairs of the batch's own samples at every step; the paper repeats a fixed set.
    Departs: masking follows a step instead of preceding the next one, and is left out after the last.

    Args:
        fusion: ``direct``: both pictures at half size, in two quadrants; ``overlay``: blended; ``autoencoder``: decoded
            from the mean of their latents (unverified: no source has it; a fixed set of pictures is repeated).
        ratio: share of the second picture in an overlay; at 0.5 a pair of classes has no order.
        symbols: left out: all pairs of classes in all layouts, at most 128 unless the bar needs more.
        layouts: arrangements of the quadrants; left out: as few as leave a quarter of the symbols to lose.
        queries: fused pictures asked for each symbol; its answer is their plurality.
        per_hundred: pairs of the batch's own samples, fused anew for every hundred samples; such that the total is even.
        repeats: of the key's own fused pictures for every hundred samples, likewise; left out: 16, 60 in a perceptron, or
            the paper's 8 (ten for 128) where they are all there is.
        margin: embedding is done when the majority of every symbol's queries lead by this much in the outputs (logits).
        mask_every: steps from one masking to the next.
        mask_ratio: share of the weights (all linear and convolution layers but the head) set to zero each time.
        message: ``drawn``, or ``literal`` (the paper's: two classes, one label outside them).
        triggers: fused pictures of the literal variant.
        mix_every: batches from one that fused pictures join to the next.
    """

    name: ClassVar[str] = "coupled"
    summary: ClassVar[str] = "two of the owner's pictures fused, a label per pair of classes (Wen et al. 2023)"
    reads: ClassVar[type[Carriers]] = Pictures
    reading: ClassVar[str] = blackbox.READING + "; plurality over the queries of a symbol, ties to the lowest class"
    counted: ClassVar[str] = "symbols"

    fusion: Literal["direct", "overlay", "autoencoder"] = "direct"
    ratio: float = 0.5
    symbols: int | None = None
    layouts: int | None = None
    queries: int = 7
    per_hundred: int = 16
    repeats: int | None = None
    margin: float = 0.1
    mask_every: int = 10
    mask_ratio: float = 0.002
    message: Literal["drawn", "literal"] = "drawn"
    triggers: int = 30
    mix_every: int = field(default=1, metadata={"later": True})

    def __post_init__(self) -> None:
        most = len(_fusion.LAYOUTS) if self.fusion == "direct" and not self._literal else 1
        if not 0 < self.ratio < 1 or not 0 < _fusion.weight(self.ratio) < _fusion.UNIT:
            raise ValueError(f"expected a ratio between 0 and 1, got {self.ratio}")
        if self.symbols is not None and not 1 <= self.symbols <= 16384:
            raise ValueError(f"expected 1 to 16384 symbols, got {self.symbols}")
        if self._literal and self.symbols not in (None, self.triggers):
            raise ValueError(f"expected as many symbols as triggers, {self.triggers}, got {self.symbols}")
        if self.layouts is not None and not 1 <= self.layouts <= most:
            raise ValueError(f"expected {f'1 to {most} layouts' if most > 1 else '1 layout'}, got {self.layouts}")
        if not (1 <= self.queries <= 1000 and 1 <= self.triggers <= 16384):
            raise ValueError(f"expected 1 to 1000 queries, 1 to 16384 triggers, got {self.queries}, {self.triggers}")
        if not (1 <= self.per_hundred <= 100 and (self.repeats is None or 1 <= self.repeats <= 100)):
            raise ValueError(f"expected per_hundred and repeats from 1 to 100, got {self.per_hundred}, {self.repeats}")
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected margin >= 0, got {self.margin}")
        if not (self.mask_every >= 1 and 0 <= self.mask_ratio < 1):
            raise ValueError(f"expected masks every step or more and a ratio in [0, 1), got {self.mask_ratio}")
        if not 1 <= self.mix_every <= 100:
            raise ValueError(f"expected mix_every from 1 to 100, got {self.mix_every}")

    @property
    def _literal(self) -> bool:
        return self.message == "literal"

    @property
    def _each(self) -> int:
        """Fused pictures asked for each symbol."""
        return 1 if self._literal else self.queries

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Number of symbols, of layouts, and repeats."""
        if self.symbols is None or self.layouts is None or self.repeats is None:
            raise ValueError("expected a resolved scheme, got one whose symbols, layouts or repeats are left open")
        return self.symbols, self.layouts, self.repeats

    @property
    def _fixed(self) -> bool:
        """Whether training repeats the key's own pictures and nothing else."""
        return self._literal or self.fusion == "autoencoder"

    @property
    def _symmetric(self) -> bool:
        """Whether both orders of a pair give one picture."""
        return self.fusion == "autoencoder" or (
            self.fusion == "overlay" and 2 * _fusion.weight(self.ratio) == _fusion.UNIT
        )

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "Coupled":
        """Fill in the number of symbols and layouts, and check that so many different ones exist."""
        if len(feed.input_shape) != 3:
            raise UsageError(f"expected pictures (channels, height, width), got inputs {feed.input_shape}")
        if feed.classes < 3:
            raise UsageError(f"expected at least three classes, got {feed.classes}")
        repeats = self.repeats or (8 if self._fixed else _fusion.default_repeats(model))
        if self._literal:
            return replace(self, symbols=self.triggers, layouts=1, repeats=repeats)
        pairs = _pairing.combinations(feed.classes, symmetric=self._symmetric)
        fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, feed.classes))
        most = len(_fusion.LAYOUTS) if self.fusion == "direct" else 1
        symbols, layouts = _pairing.enough(pairs, fewest, self.symbols, self.layouts, most)
        resolved = replace(self, symbols=symbols, layouts=layouts, repeats=repeats)
        resolved._check_capacity(feed)
        return resolved

    def _check_capacity(self, feed: Feed) -> None:
        require_bytes(self._sizes[0] * self._each, feed.input_shape)
        self._pairing(feed).require_capacity()

    def _pairing(self, feed: Feed) -> _pairing.Pairing:
        symbols, layouts, _ = self._sizes
        kept = self.triggers if self._literal else self.queries
        return _pairing.Pairing(
            self.name, feed.classes, symbols, layouts, kept, symmetric=self._symmetric, literal=self._literal
        )

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return the pictures that are fused, picked by the secret, or those that an autoencoder made of them."""
        if task is None:
            raise UsageError("expected data, got none", hint="triggers are made of the owner's pictures: --data")
        pairing, inputs = self._pairing(task.feed), task.train_inputs.cpu()
        sources = pairing.sources(secret, task)
        if self.fusion != "autoencoder":
            return {"sources": sources}
        first, second, _ = pairing.paired(secret, task.feed, sources)
        seed = int(secret.integers("coupled/autoencoder", 2**31, 1)[0])
        return {"fused": fuse_latents(inputs, torch.from_numpy(first), torch.from_numpy(second), seed).numpy()}

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return that there are many layouts to learn, where that is so."""
        return _fusion.cautions(feed.classes, self._sizes[1])

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per pair of classes and layout; in the literal variant one per trigger."""
        return self._sizes[0], feed.classes

    def objection(self) -> str:
        """Return why the literal variant has no exact test."""
        return "all triggers share one label, so their matches are not independent" if self._literal else ""

    def carriers(self, material: Material) -> Fused:
        """Return the fused pictures; the literal label follows.

        Raises:
            MismatchError: what is attached is not this key's.
        """
        secret, feed, attached = material.secret, material.feed, material.attachments
        self._check_capacity(feed)
        pairing, chosen = self._pairing(feed), self.literal_message(material)
        pairs = pairing.pairs(secret)
        if self.fusion == "autoencoder":
            pictures = blackbox.attached(attached, "fused", (len(pairs) * self._each,), feed)
        else:
            sources = blackbox.attached(attached, "sources", (len(pairing.needed(secret)), pairing.queries), feed)
            first, second, layouts = pairing.paired(secret, feed, sources)
            pictures = _fusion.fuse_bytes(first, second, layouts if self.fusion == "direct" else None, self.ratio)
        return Fused(feed, pictures, self._each, () if chosen is None else label_leaves(chosen[:1]), pairs=pairs)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the target class of the literal variant for every trigger, or None where the draw decides."""
        if not self._literal:
            return None
        return np.full(self.triggers, self._pairing(material.feed).target(material.secret))

    def hooks(self, carriers: Fused, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hooks that append fused pictures to every batch and mask weights."""
        self.check(model, carriers.feed)
        masking = Masking(self.mask_every, self.mask_ratio, seed)
        return self._coupling(carriers, message, seed, [masking], every=self.mix_every)

    def lesson(self, carriers: Fused, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Lesson:
        """Return the same without masking, for a course in which the smallest weights are left out."""
        self.check(model, carriers.feed)
        return Lesson(self._coupling(carriers, message, seed, []), self.margin, THOROUGH)

    def _coupling(
        self, carriers: Fused, message: npt.NDArray[np.int64], seed: int, more: Sequence[Hooks], *, every: int = 1
    ) -> Coupling:
        feed = carriers.feed
        inputs = blackbox.pictures(carriers.pictures, feed)
        labels = torch.from_numpy(message).repeat_interleave(self._each)
        repeated = blackbox.Mixing(inputs, labels, self._sizes[2], seed)
        parts: list[Hooks] = [repeated]
        if not self._fixed:
            table = torch.full((feed.classes, feed.classes, self._sizes[1]), -1)
            first, second, layout = torch.from_numpy(carriers.pairs).T
            table[first, second, layout] = torch.from_numpy(message)
            fuser = _fusion.Fuser(feed, direct=self.fusion == "direct", ratio=self.ratio)
            if self._symmetric:
                table[second, first, layout] = torch.from_numpy(message)
            parts.insert(0, _fusion.Fusing(fuser, table, self.per_hundred, seed))
        return Coupling([*(thinned(part, every) for part in parts), *more], inputs, labels, self._each)
