"""Whether the activations of a layer lie unusually close to the means of their classes: the trace of marks in those means."""

import math
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers, taps
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Finding
from modelmark.errors import UsageError
from modelmark.preprocess import Normalise
from modelmark.task import Task
from modelmark.training import Watch


class ActivationStatistics(Attack):
    """Divide the scatter of class means by the scatter within classes, at the input of one layer.

    DeepSigns pulls every activation to a centre of its class, so that classes become points; training for long does the same
    to any network, and a threshold means nothing on another architecture, data set or schedule.

    Source: own construction, against Rouhani et al. 2018, arXiv 1804.00750; between- and within-class scatter after Fisher 1936.

    Args:
        layer: state-dict path of the layer whose input is looked at; empty: the head.
        samples: most of the thief's training data to use, in their order.
        threshold: scores above it are taken for marks.
    """

    name: ClassVar[str] = "activation-statistics"
    summary: ClassVar[str] = "find marks by how tightly activations sit around class means"
    source: ClassVar[str] = "own construction"
    kind: ClassVar[Kind] = "detection"
    family: ClassVar[str] = "detection"
    strengths: ClassVar[Strengths] = ({},)

    layer: str = ""
    samples: int = 2000
    threshold: float = 2.5

    def __post_init__(self) -> None:
        if self.samples < 2 or not math.isfinite(self.threshold):
            raise ValueError(
                f"expected at least two samples and a finite threshold, got {self.samples} and {self.threshold}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Finding:
        """Return the natural logarithm of between- over within-class scatter; ``where`` names the tightest class.

        Raises:
            UsageError: fewer than two classes have two samples.
        """
        inputs = Normalise(task.interface)(task.train_inputs[: self.samples])
        targets = task.train_targets[: self.samples]
        labels = (targets.argmax(dim=1) if targets.is_floating_point() else targets).cpu()
        found = taps.activations(model, self.layer or layers.head(model), inputs).cpu().double()
        classes = [label for label in range(task.interface.classes) if int((labels == label).sum()) > 1]
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
        return Finding(score, score > self.threshold, task.interface.class_names[tightest])
