"""Two pictures made into one, and the hook that fuses pairs of the batch's own samples.

Carriers are fused in integers (``fuse_bytes``), training batches in floats (``Fuser``); they agree to within rounding.

Source: Wen, Li, Jiang, Xu, "On function-coupled watermarks for deep neural networks", 2023, arXiv 2302.10296: direct and
invisible fusion; sizes, white quadrants and ratio as in the authors' release.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.schemes import blackbox
from modelmark.training.hooks import Hooks, Samples

UNIT = 65536
"""The blend of an overlay is in fixed point, in parts of this."""

Picture = npt.NDArray[np.uint8]

_PLACES = ((0, 3), (1, 2), (0, 1), (2, 3), (0, 2), (1, 3))
_BLANKS = ((FULL_SCALE, FULL_SCALE), (0, 0), (FULL_SCALE, 0), (0, FULL_SCALE))
LAYOUTS = tuple((*places, *blanks) for blanks, places in product(_BLANKS, _PLACES))
"""Quadrant of the first and of the second picture, in reading order, and the values of the two others; first the paper's.

No two give the same picture for ordered pairs of classes: a pair of quadrants stands here in one order only.
"""

_CHUNK = 64
_CHUNK_BYTES = 2**24
"""Pictures that are fused at a time, and their bytes: a canvas and its sums are many times that."""
_CANDIDATES = 256
_MANY = 8
"""Layouts a pair from which a key is said to be hard: a matter of taste, the more there are the more there is to learn."""


def weight(ratio: float) -> int:
    """Return the share of the second picture in an overlay, in parts of ``UNIT``."""
    return round(ratio * UNIT)


def default_repeats(model: nn.Module) -> int:
    """Return how many of the key's own pictures join every hundred samples unless the owner says.

    A perceptron learns little about fused pictures from others of the same classes: with 16 it had 63 to 76 of 90 symbols
    on MNIST after three rounds, with 60 all of them after one (``benchmarks/schemes.py``).
    """
    return 16 if any(len(layer.kernel) > 1 for layer in layers.markable(model)) else 60


def cautions(classes: int, layouts: int) -> list[str]:
    """Return that so many layouts are hard to learn, where they are."""
    if layouts < _MANY:
        return []
    return [f"{classes} classes have so few pairs that each is asked in {layouts} layouts: give embed more --epochs"]


def fuse_bytes(first: Picture, second: Picture, layouts: npt.NDArray[np.int64] | None, ratio: float) -> Picture:
    """Return fused pictures, the same on every machine.

    Direct: a canvas of 2H x 2W holds both pictures and two plain quadrants, and each 2 x 2 pixels become their rounded
    mean; where H or W is odd the middle line mixes two quadrants. Overlay: ``(1 - r) x_i + r x_j``, rounded.

    Args:
        first: uint8 ``(N, C, H, W)``.
        second: likewise.
        layouts: of each picture, index into ``LAYOUTS``, ``(N,)``; None: overlay.
        ratio: r of the overlay.
    """
    out = np.empty_like(first)
    step = min(_CHUNK, max(_CHUNK_BYTES // first[0].size, 1))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        if layouts is None:
            out[part] = _blend(first[part], second[part], weight(ratio))
        else:
            out[part] = _shrink(first[part], second[part], np.array(LAYOUTS)[layouts[part]])
    return out


def _blend(first: Picture, second: Picture, share: int) -> Picture:
    blend = first.astype(np.int64) * (UNIT - share) + second.astype(np.int64) * share
    return ((blend + UNIT // 2) // UNIT).astype(np.uint8)


def _shrink(first: Picture, second: Picture, layouts: npt.NDArray[np.int64]) -> Picture:
    count, channels, height, width = first.shape
    each = np.arange(count)
    quadrants = np.empty((count, 4, channels, height, width), np.uint8)
    for place, blank in zip(_others(layouts[:, :2]).T, layouts[:, 2:].T, strict=True):
        quadrants[each, place] = blank[:, None, None, None]
    quadrants[each, layouts[:, 0]], quadrants[each, layouts[:, 1]] = first, second
    canvas = quadrants.reshape(count, 2, 2, channels, height, width).transpose(0, 3, 1, 4, 2, 5)
    blocks = canvas.reshape(count, channels, height, 2, width, 2).sum(axis=(3, 5), dtype=np.int64)
    return ((blocks + 2) // 4).astype(np.uint8)


def _others(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the two quadrants that ``places`` ``(N, 2)`` leave, in reading order, ``(N, 2)``."""
    free = (places[:, :, None] != np.arange(4)).all(axis=1)
    return free.nonzero()[1].reshape(-1, 2)


class Fuser:
    """Fuses inputs as ``forward`` takes them.

    Args:
        feed: how they were normalised; white and black are those of each channel.
        direct: two pictures side by side on a canvas; else an overlay.
        ratio: of the overlay.
    """

    def __init__(self, feed: Feed, *, direct: bool, ratio: float) -> None:
        layouts = np.array(LAYOUTS)
        normalise = Normalise(feed)
        channels = feed.input_shape[0]
        self._direct, self._share = direct, weight(ratio) / UNIT
        self._places = torch.from_numpy(np.concatenate([layouts[:, :2], _others(layouts[:, :2])], axis=1))
        blanks = torch.from_numpy(layouts[:, 2:].astype(np.uint8)).flatten()
        plain = normalise(blanks[:, None, None, None].expand(-1, channels, 1, 1).contiguous())
        self._blanks = plain.reshape(len(layouts), 2, channels, 1, 1)

    def __call__(self, first: Tensor, second: Tensor, layouts: Tensor) -> Tensor:
        """Return fused inputs ``(N, C, H, W)``; ``layouts`` ``(N,)`` counts for direct fusion alone."""
        if not self._direct:
            return torch.lerp(first, second, self._share)
        if self._places.device != first.device:
            self._places, self._blanks = self._places.to(first.device), self._blanks.to(first.device)
        count, channels, height, width = first.shape
        blanks = self._blanks[layouts].to(first.dtype).expand(-1, -1, -1, height, width)
        parts = torch.cat([first[:, None], second[:, None], blanks], dim=1)
        order = self._places[layouts].argsort(dim=1)
        quadrants = parts[torch.arange(count, device=first.device)[:, None], order]
        canvas = quadrants.view(count, 2, 2, channels, height, width).permute(0, 3, 1, 4, 2, 5)
        return avg_pool2d(canvas.reshape(count, channels, 2 * height, 2 * width), 2)


class Fusing(Hooks):
    """Pairs of the batch's own samples, fused anew at every step and appended with the labels of their class pairs.

    Endless variety teaches the pair of classes rather than any picture of it, so that pictures never seen before work.

    Args:
        fuser: makes one input of two, and a layout for each.
        labels: of each pair of classes in each layout, ``(classes, classes, layouts)``; -1 where there is no symbol.
        per_hundred: fused inputs for every hundred samples of the batch; see ``blackbox.share``.
        seed: of the choice of pairs.
    """

    labels: Tensor

    def __init__(
        self, fuser: Callable[[Tensor, Tensor, Tensor], Tensor], labels: Tensor, per_hundred: int, seed: int
    ) -> None:
        super().__init__()
        self.register_buffer("labels", labels, persistent=False)  # derived from the key
        self._fuser = fuser
        self._per_hundred = per_hundred
        self._generator = torch.Generator().manual_seed(seed)

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return fused pairs: a random choice of all the pairs in the batch whose classes have a symbol."""
        _, _, fused, labels = self.chosen(x, y)
        return fused, labels

    def chosen(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return pairs, the inputs on their first and second sides, both fused, and labels: four times as many."""
        if self.labels.device != x.device:
            self.to(x.device)
        chosen = torch.randperm(len(x), generator=self._generator)[:_CANDIDATES]
        count = len(chosen)
        layouts = torch.randint(self.labels.shape[2], (count, count), generator=self._generator).to(x.device)
        scores = torch.rand(count, count, generator=self._generator).to(x.device)
        chosen = chosen.to(x.device)
        classes = blackbox.hard(y)[chosen]
        labels = self.labels[classes[:, None], classes, layouts].flatten()
        wanted = min(blackbox.share(len(x), self._per_hundred), count * count)
        picked = scores.flatten().masked_fill(labels < 0, -1.0).topk(wanted).indices
        picked = picked[labels[picked] >= 0]
        first, second = x[chosen[picked // count]], x[chosen[picked % count]]
        return first, second, self._fuser(first, second, layouts.flatten()[picked]), labels[picked]

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the choice of pairs goes on from."""
        return {"generator": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the choices that ``get_extra_state`` recorded."""
        self._generator.set_state(state["generator"])
