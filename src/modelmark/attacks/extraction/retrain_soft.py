"""Retraining on probabilities, or on scores where the API gives them away."""

from torch import nn

from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import softened
from modelmark.attacks.extraction._losses import Imitating, Loss
from modelmark.attacks.extraction._students import Passes, drawn_anew, taught


class RetrainSoft(Extraction, family="retraining"):
    """New weights, trained on the stolen model's probabilities or scores.

    Source: Wen et al. 2023, arXiv 2302.10296; ``mse`` is the soft extraction of their release. Confidences: Tramer et al. 2016,
    arXiv 1609.02943.
    Departs: the release trains 150 epochs at a learning rate that steps down; here the suggested recipe.
    """

    loss: Loss = "cross-entropy"
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        student = drawn_anew(stolen, seed=thief.seed)
        if self.loss == "cross-entropy":
            return taught(student, thief, task=softened(stolen, thief.task), epochs=self.epochs)
        return taught(student, thief, epochs=self.epochs, hooks=lambda copied: Imitating(stolen, squares=True))
