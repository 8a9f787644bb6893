"""Distillation into itself: the stolen weights go on from where they are, on their own answers beside the thief's labels."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.extraction._losses import Distilling, distilled
from modelmark.attacks.fields import Batch, Epochs, Positive, Rate, Share


class SelfDistil(Removal, family="fine-tuning", feeds=CLASSES):
    """Fine-tune the stolen weights on what they answered at first, softened, and on the thief's own labels.

    The loss is that of ``distil``, ``alpha T² H(p_T, q_T) + (1 - alpha) H(y, q)``; the student begins as the teacher.

    Source: own construction; the loss of Hinton et al. 2015, arXiv 1503.02531, and answers kept as in Li and Hoiem 2016,
    arXiv 1606.09282.
    """

    strengths = (
        {"rate": 0.001},
        {"rate": 0.01},
        {"rate": 0.05},
        {"rate": 0.05, "alpha": 0.2},
        {"rate": 0.1, "alpha": 0.2, "epochs": 20},
    )

    alpha: Annotated[Share, "weight of the stolen answers; the thief's own labels have the rest"] = 0.5
    temperature: Annotated[Positive, "T"] = 3.0
    rate: Rate = 0.01
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        task = distilled(stolen, thief.task, self.temperature, self.alpha)
        return thief.tune(
            stolen, self, task=task,
            hooks=lambda copied: Distilling(self.temperature, 1 - self.alpha),
        )  # fmt: skip
