"""Retraining on noisy queries: the stolen model never sees the thief's inputs as they are."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._losses import Imitating, Loss
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Positive


class RetrainNoisy(Extraction, family="retraining", feeds=NUMBERS):
    """New weights, trained on the stolen model's answers to noisy queries: new noise in every batch.

    Asks one query a sample and epoch.

    Source: Wen et al. 2023, arXiv 2302.10296; the noisy extraction of their release: inputs + 0.1 N(0, 1) after preprocessing,
    mean squared difference of scores.
    Departs: the release trains 150 epochs at a learning rate that steps down; here the suggested recipe.
    """

    noise: Annotated[Positive, "standard deviation, in the units of preprocessed inputs"] = 0.1
    loss: Loss = "mse"
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        return retrained(
            stolen, thief, epochs=self.epochs,
            hooks=lambda copied: Imitating(stolen, noise=self.noise, squares=self.loss == "mse"),
        )  # fmt: skip
