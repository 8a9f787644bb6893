"""Label smoothing: fine-tuning on labels that are never quite sure."""

from dataclasses import replace
from typing import Annotated

from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Share


class LabelSmoothing(Removal, family="fine-tuning", feeds=CLASSES):
    """Fine-tune on labels mixed with the uniform distribution.

    Source: Lukas et al. 2022, arXiv 2108.04974; smoothing as in Szegedy et al. 2016, arXiv 1512.00567, section 7.
    """

    strengths = ({"eps": 0.1}, {"eps": 0.3}, {"eps": 0.5}, {"eps": 0.3, "rate": 0.05}, {"eps": 0.6, "rate": 0.1})

    eps: Annotated[Share, "of the target that is spread over all classes"] = 0.3
    rate: Rate = 0.01
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        targets, classes = thief.task.train_targets, thief.task.feed.classes
        sure = targets if targets.is_floating_point() else one_hot(targets, classes).float()
        smooth = replace(thief.task, train_targets=(1 - self.eps) * sure + self.eps / classes)
        return thief.tune(stolen, self, task=smooth)
