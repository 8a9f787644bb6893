"""Retraining on labels: a new network of the same architecture learns what the stolen one answers."""

from torch import nn

from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, drawn_anew, taught


class Retrain(Extraction, family="retraining"):
    """New weights, trained on the stolen model's labels of the thief's inputs.

    Source: Lukas et al. 2022, arXiv 2108.04974; first in Tramer et al. 2016, arXiv 1609.02943.
    Departs: Lukas et al. train 60 epochs at a learning rate that steps down; here the suggested recipe.
    """

    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task = labelled(stolen, thief.task)
        return taught(drawn_anew(stolen, seed=thief.seed), thief, task=task, epochs=self.epochs)
