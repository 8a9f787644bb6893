"""Whether the activations of a layer lie unusually close to the means of their classes: the trace of marks in those means."""

import math
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Detection, Thief
from modelmark.attacks.fields import Within
from modelmark.attacks.results import Finding
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps


class ActivationStatistics(Detection, feeds=CLASSES):
    """Divide the scatter of class means by the scatter within classes, at the input of one layer.

    DeepSigns pulls every activation to a centre of its class, so that classes become points; training for long does the same
    to any network, and a threshold means nothing on another architecture, data set or schedule.

    Source: own construction; against Rouhani et al. 2018, arXiv 1804.00750, with between- and within-class scatter after
    Fisher 1936.
    """

    layer: Annotated[str, "path of the layer whose input is looked at; empty: the head"] = ""
    samples: Annotated[int, Within(2), "of the thief's training data to use at most, in their order"] = 2000
    threshold: Annotated[float, Within(-math.inf), "scores above it are taken for marks"] = 2.5

    def detect(self, suspect: nn.Module, thief: Thief) -> Finding:
        """Return the natural logarithm of between- over within-class scatter; ``where`` names the tightest class.

        Raises:
            UsageError: fewer than two classes have two samples.
        """
        task = thief.task
        inputs = Normalise(task.feed)(task.train_inputs[: self.samples])
        labels = task.labels[: self.samples].cpu()
        found = taps.activations(suspect, self.layer or layers.head(suspect), inputs).cpu().double()
        classes = [label for label in range(task.feed.classes) if int((labels == label).sum()) > 1]
        if len(classes) < 2:
            raise UsageError(f"expected two classes with at least two samples each, got {len(classes)}")
        means = torch.stack([found[labels == label].mean(dim=0) for label in classes])
        spread = [
            float((found[labels == label] - mean).square().sum(dim=1).mean())
            for label, mean in zip(classes, means, strict=True)
        ]
        between = float((means - means.mean(dim=0)).square().sum(dim=1).mean())
        score = math.log(max(between, 1e-30) / max(sum(spread) / len(spread), 1e-30))
        tightest = classes[min(range(len(classes)), key=lambda index: spread[index])]
        return Finding(score, score > self.threshold, task.feed.class_names[tightest])
