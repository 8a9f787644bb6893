"""Label smoothing: fine-tuning on labels that are never quite sure."""

from dataclasses import replace
from typing import ClassVar

from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class LabelSmoothing(Attack):
    """Fine-tune on labels mixed with the uniform distribution.

    Source: Lukas et al. 2022, arXiv 2108.04974; smoothing as in Szegedy et al. 2016, arXiv 1512.00567, section 7.

    Args:
        eps: share of the target that is spread over all classes.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "label-smoothing"
    summary: ClassVar[str] = "fine-tune on smoothed labels"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"eps": 0.1},
        {"eps": 0.3},
        {"eps": 0.5},
        {"eps": 0.3, "rate": 0.05},
        {"eps": 0.6, "rate": 0.1},
    )

    eps: float = 0.3
    rate: float = 0.01
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, eps=self.eps)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy."""
        targets, classes = task.train_targets, task.interface.classes
        sure = targets if targets.is_floating_point() else one_hot(targets, classes).float()
        smooth = replace(task, train_targets=(1 - self.eps) * sure + self.eps / classes)
        return fit(model, smooth, constant(self.epochs, self.rate, batch=self.batch, clip=1.0), seed=seed, watch=watch)
