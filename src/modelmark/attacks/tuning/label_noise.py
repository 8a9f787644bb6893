"""Label noise: fine-tuning on labels of which some are wrong."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Share


class LabelNoise(Removal, family="fine-tuning", feeds=CLASSES):
    """Fine-tune with a share of the labels replaced by random ones.

    Source: Lukas et al. 2022, arXiv 2108.04974; label noising, in their toolbox.
    """

    strengths = ({"share": 0.05}, {"share": 0.1}, {"share": 0.2}, {"share": 0.3}, {"share": 0.3, "rate": 0.05})

    share: Annotated[Share, "of the labels that are drawn anew, uniform over all classes"] = 0.2
    rate: Rate = 0.01
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        task, generator = thief.task, thief.generator()
        labels = task.labels.clone()
        wrong = torch.randperm(len(labels), generator=generator)[: round(self.share * len(labels))].to(labels.device)
        labels[wrong] = torch.randint(task.feed.classes, wrong.shape, generator=generator).to(labels.device)
        return thief.tune(stolen, self, task=replace(task, train_targets=labels))
