"""REFIT: fine-tuning at a rate large enough to leave the marked minimum, decayed to settle in another."""

from typing import Annotated

from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Positive
from modelmark.training.recipe import Recipe


class Refit(Removal, family="fine-tuning"):
    """Fine-tune all layers from a large learning rate down to zero.

    Source: Chen et al. 2021, arXiv 1911.07205; "REFIT".
    Departs: the rate falls in a straight line to zero; their two extensions, elastic weight consolidation and unlabelled
    data, are left out.
    """

    strengths = ({"peak": 0.01}, {"peak": 0.03}, {"peak": 0.05}, {"peak": 0.1}, {"peak": 0.3, "epochs": 20})

    peak: Annotated[Positive, "learning rate at the beginning"] = 0.05
    epochs: Epochs = 15
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        falling = ((0.0, self.peak), (float(self.epochs), 0.0))
        return thief.fit(stolen, Recipe(self.epochs, falling, batch=self.batch, clip=1.0))
