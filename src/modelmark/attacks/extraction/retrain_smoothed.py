"""Retraining on smoothed labels: the student is never to be sure of what the stolen model answered."""

from dataclasses import replace
from typing import Annotated

from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Within


class RetrainSmoothed(Extraction, family="retraining", feeds=CLASSES):
    """New weights, trained on the stolen model's labels, each mixed with the uniform distribution.

    Source: Szegedy et al. 2016, arXiv 1512.00567; section 7, there for labels that are right.
    """

    eps: Annotated[float, Within(0, 1, open="high"), "of the target that is spread over all classes"] = 0.2
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        asked, classes = labelled(stolen, thief.task), thief.task.feed.classes
        smooth = (1 - self.eps) * one_hot(asked.train_targets, classes).float() + self.eps / classes
        return retrained(stolen, thief, task=replace(asked, train_targets=smooth), epochs=self.epochs)
