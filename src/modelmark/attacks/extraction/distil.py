"""Knowledge distillation: soft targets at a temperature, the thief's own labels beside them."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._losses import Distilling, distilled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Positive, Share


class Distil(Extraction, family="distillation", feeds=CLASSES):
    """New weights, trained by knowledge distillation.

    The loss is ``alpha T² H(p_T, q_T) + (1 - alpha) H(y, q)``, with ``p_T`` and ``q_T`` the stolen model's and the student's
    probabilities at temperature T, ``y`` the thief's own labels, and H the cross-entropy, which differs from the divergence of
    the original by a constant.

    Source: Hinton et al. 2015, arXiv 1503.02531; T 3 and alpha 1 as in Lukas et al. 2022, arXiv 2108.04974.
    """

    temperature: Annotated[Positive, "T"] = 3.0
    alpha: Annotated[Share, "weight of the soft targets; 1 leaves the thief's own labels unused"] = 1.0
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student."""
        task = distilled(stolen, thief.task, self.temperature, self.alpha)
        return retrained(
            stolen, thief, task=task, epochs=self.epochs,
            hooks=lambda copied: Distilling(self.temperature, 1 - self.alpha),
        )  # fmt: skip
