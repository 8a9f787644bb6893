"""How a model answers what is no picture of its classes: the trace of marks that are read by asking."""

import math
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.detection._odd import FAMILIES, Family, made
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Finding
from modelmark.errors import UsageError
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch


class QueryStatistics(Attack):
    """Ask a few hundred odd inputs and see how variously, and how surely, they are answered.

    A network that learned arbitrary labels for odd pictures gives others of their kind all labels, and none of them surely.
    The score is the entropy of the answers, as a share of the most it can be, less the mean largest probability.

    Source: own construction; the direction was found on digits networks (benchmarks/detection.py has what came of it on
    others). Adi et al. 2018, Wen et al. 2023 and Li et al. 2019 name the kinds of inputs.

    Args:
        inputs: ``noise`` of four grains; ``smooth`` low-frequency fields; ``fused``: two pictures in two quadrants;
            ``blended``: the mean of two pictures; ``extreme``: a picture with a block of pixels far out of range.
        queries: inputs asked.
        threshold: scores above it are taken for marks; each kind of input needs its own.
    """

    name: ClassVar[str] = "query-statistics"
    summary: ClassVar[str] = "find marks by how variously and surely odd inputs are answered"
    source: ClassVar[str] = "own construction"
    kind: ClassVar[Kind] = "detection"
    family: ClassVar[str] = "detection"
    strengths: ClassVar[Strengths] = tuple({"inputs": family} for family in FAMILIES)

    inputs: Family = "smooth"
    queries: int = 400
    threshold: float = 0.2

    def __post_init__(self) -> None:
        if self.inputs not in FAMILIES:
            raise ValueError(f"expected inputs of {', '.join(FAMILIES)}, got {self.inputs!r}")
        if self.queries < 10 or not math.isfinite(self.threshold):
            raise ValueError(
                f"expected at least ten queries and a finite threshold, got {self.queries} and {self.threshold}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Finding:
        """Return how the model answers; ``where`` is the most frequent answer.

        Raises:
            UsageError: the model's inputs are no pictures.
        """
        if len(task.interface.input_shape) != 3:
            raise UsageError(f"expected pictures (channels, height, width), got inputs {task.interface.input_shape}")
        classes = task.interface.classes
        asked = made(self.inputs, self.queries, task, torch.Generator().manual_seed(seed))
        sure, answers = logits(model, asked).cpu().softmax(dim=1).max(dim=1)
        counts = torch.bincount(answers, minlength=classes).double()
        shares = counts / counts.sum()
        entropy = float(-(shares * shares.clamp_min(1e-12).log()).sum()) / math.log(classes)
        score = entropy - float(sure.mean())
        return Finding(score, score > self.threshold, task.interface.class_names[int(counts.argmax())])
