"""Occlusion: fine-tuning on pictures with a hole, so that no small pattern decides alone."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.augment import Holes
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Share


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
        return thief.tune(stolen, self, hooks=lambda copied: Holes(self.side))
