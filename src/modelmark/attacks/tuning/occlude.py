"""Occlusion: fine-tuning on pictures with a hole, so that no small pattern decides alone."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Share
from modelmark.training.hooks import Hooks, Samples


class Occlude(Removal, family="fine-tuning", pictures=True):
    """Fine-tune on pictures with random holes: one square in each has the value of the picture's mean.

    Source: Lukas et al. 2022, arXiv 2108.04974; random occlusion, in their toolbox. Squares as in DeVries & Taylor 2017,
    arXiv 1708.04552.
    """

    strengths = (
        {"side": 0.2},
        {"side": 0.35},
        {"side": 0.5},
        {"side": 0.35, "rate": 0.05},
        {"side": 0.5, "rate": 0.1},
    )

    side: Annotated[Share, "of the square, of the shorter side of the picture; at least one pixel"] = 0.35
    rate: Rate = 0.01
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        return thief.tune(stolen, self, hooks=lambda copied: _Holes(self.side))


class _Holes(Hooks):
    """Puts the hole into every picture of a batch; draws from the generator that ``fit`` forks for dropout."""

    def __init__(self, side: float) -> None:
        super().__init__()
        self._side = side

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch with one hole in each picture."""
        height, width = x.shape[-2:]
        size = max(round(self._side * min(height, width)), 1)
        top, left = torch.rand(2, len(x), 1, device=x.device)
        hole = _span(top, height, size)[:, None, :, None] & _span(left, width, size)[:, None, None, :]
        return torch.where(hole, x.mean(dim=(2, 3), keepdim=True), x), y


def _span(start: Tensor, length: int, size: int) -> Tensor:
    """Return which of ``length`` pixels are in spans of ``size`` that begin at ``start`` in [0, 1), bool ``(N, length)``."""
    first, at = (start * (length - size + 1)).long(), torch.arange(length, device=start.device)
    return (at >= first) & (at < first + size)
