"""Retraining on mixtures: what the student learns lies between the inputs that were asked."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.augment import Mixup
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Positive


class RetrainMixed(Extraction, family="retraining", feeds=NUMBERS):
    """New weights, trained on mixtures of two inputs with the same mixture of the stolen model's labels of them.

    Each input is asked once; mixtures are not asked.

    Source: Zhang et al. 2018, arXiv 1710.09412; "mixup".
    """

    alpha: Annotated[Positive, "the share of the first input is drawn for each batch from Beta(alpha, alpha)"] = 0.4
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        return retrained(
            stolen, thief, task=labelled(stolen, thief.task), epochs=self.epochs,
            hooks=lambda copied: Mixup(self.alpha, thief.task.feed.classes),
        )  # fmt: skip
