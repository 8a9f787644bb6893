"""Xiao et al. 2025: classes of out-of-domain pictures, each seen in endless variants, and a label for each class.

Source: Xiao, Ye, Liang, Li, Li, Zheng, Hu, "Class-feature watermark: a resilient black-box watermark against model extraction
attacks", 2025, arXiv 2511.07947.

What is learned is a class and not a picture: no single sample with an edge of its own, on which removal could take hold.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import CapacityError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.tensors import Normalise
from modelmark.rendering import triggers
from modelmark.schemes import blackbox
from modelmark.schemes._labelled import PLURALITY, Labelled
from modelmark.schemes._masking import Coupling
from modelmark.schemes.base import Material
from modelmark.training.hooks import Hooks, Samples


@dataclass(frozen=True, eq=False)
class Varied(Pictures):
    """Variants of synthetic classes, those of one class together.

    Args:
        plain: a picture of each class, of which variants are made, ``(classes, C, H, W)``.
        most: pixels by which a variant is shifted at most.
    """

    plain: Array | None = None
    most: int = 0


@dataclass(frozen=True)
class Classes(Labelled):
    """Synthetic classes of pictures in endless variants, with a drawn label for each class (black-box).

    Departs: with ``message="drawn"`` there are a hundred classes and a label is drawn for each after pictures are committed;
    the paper has one, of pictures from other data, and looks whether a suspect's answers to it form a cluster.
    Departs: classes are synthesised pictures, mirrored and shifted; those that are asked are trained on, too.
    Departs: labels alone are trained; the paper adds losses that keep a class together and its place through extraction.

    Args:
        triggers: number of classes; left out: 100 (more below five labels).
        queries: variants of each that are asked; its answer is their plurality.
        shift: of a variant, at most this part of the shorter side, as one in so many.
        per_hundred: fresh variants mixed into every hundred samples; at least one a batch, and such that the total is even.
        repeats: of those that are asked, likewise.
        margin: embedding is done when most variants of every class lead by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret`` (literal: all pictures are one class, with one label).
    """

    name: ClassVar[str] = "classes"
    summary: ClassVar[str] = "synthetic classes in endless variants, a drawn label for each (Xiao et al. 2025)"
    reading: ClassVar[str] = PLURALITY

    queries: int = 3
    shift: int = 8
    per_hundred: int = 16
    repeats: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.queries <= 1000 and 1 <= self.shift <= 1024):
            raise ValueError(
                f"expected 1 to 1000 queries and a shift of 1 to 1024, got {self.queries} and {self.shift}"
            )
        if not (1 <= self.per_hundred <= 100 and 1 <= self.repeats <= 100):
            raise ValueError(f"expected per_hundred and repeats from 1 to 100, got {self.per_hundred}, {self.repeats}")

    @property
    def _each(self) -> int:
        return self.queries if self.message == "drawn" else 1

    def carriers(self, material: Material) -> Varied:
        """Return the variants that are asked; labels that were not drawn follow."""
        feed, secret, each = material.feed, material.secret, self._each
        require_bytes(self._count * each, feed.input_shape)
        chosen, count = self.literal_message(material), self._count * each
        plain, most = triggers.render(secret, self._count, feed.input_shape), min(feed.input_shape[1:]) // self.shift
        if each > _variants(most):
            raise CapacityError(
                f"expected at most {_variants(most)} queries, so many variants a picture has, got {each}"
            )
        orders = [secret.permutation(f"classes/{one}", _variants(most))[:each] for one in range(self._count)]
        shown = plain.repeat(each, axis=0).reshape(count, -1)
        shown = np.take_along_axis(shown, _places(feed, most, np.concatenate(orders)), axis=1).reshape(
            count, *feed.input_shape
        )
        leaves = () if chosen is None else label_leaves(chosen)
        return Varied(feed, shown, each, leaves, plain=plain, most=most)

    def hooks(self, carriers: Varied, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hooks that append fresh variants, and those that are asked, to every batch."""
        self.check(model, carriers.feed)
        inputs, labels = blackbox.pictures(carriers.pictures, carriers.feed), torch.from_numpy(message)
        varying, own = Varying(carriers, labels, self.per_hundred, seed), labels.repeat_interleave(self._each)
        return Coupling([blackbox.Mixing(inputs, own, self.repeats, seed), varying], inputs, own, self._each)


class Varying(blackbox.Mixing):
    """Appends a fresh variant of the next classes to each batch.

    Args:
        carriers: whose classes they are.
        labels: of each class.
        per_hundred: variants for every hundred samples of the batch.
        seed: of order and variants.
    """

    def __init__(self, carriers: Varied, labels: Tensor, per_hundred: int, seed: int) -> None:
        plain = torch.from_numpy(np.ascontiguousarray(carriers.plain))
        super().__init__(plain, labels, per_hundred, seed)
        self._normalise, self._feed, self._most = Normalise(carriers.feed), carriers.feed, carriers.most
        self._generator = torch.Generator().manual_seed(seed)

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return the next variants."""
        plain, labels = super().extra(x, y)
        chosen = torch.randint(_variants(self._most), (len(plain),), generator=self._generator).numpy()
        places = torch.from_numpy(_places(self._feed, self._most, chosen)).to(x.device)
        shown = plain.flatten(1).gather(1, places).view_as(plain)
        return self._normalise(shown), labels

    def get_extra_state(self) -> dict[str, Any]:
        """Return the order still to come, and where the choice of variants stands."""
        return {**super().get_extra_state(), "variants": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_extra_state`` recorded."""
        super().set_extra_state(state)
        self._generator.set_state(state["variants"])


def _variants(most: int) -> int:
    """Return how many variants a picture has: shifts along either side, each plain and mirrored."""
    return 2 * (2 * most + 1) ** 2


def _places(feed: Feed, most: int, variants: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return from where in a picture each pixel of a variant comes, ``(N, C * H * W)``.

    Args:
        feed: of the pictures.
        most: the largest shift.
        variants: numbers below ``_variants(most)``, ``(N,)``.
    """
    channels, height, width = feed.input_shape
    shifts, mirrored = variants[:, None] // 2, variants[:, None] % 2
    row = (np.arange(height) + shifts // (2 * most + 1) - most) % height
    column = (np.arange(width) + shifts % (2 * most + 1) - most) % width
    column = np.where(mirrored == 1, width - 1 - column, column)
    channel = np.arange(channels)[:, None, None]
    found = (channel * height + row[:, None, :, None]) * width + column[:, None, None, :]
    return found.reshape(len(variants), -1)
