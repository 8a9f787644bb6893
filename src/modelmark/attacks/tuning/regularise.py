"""Regularisation: strong weight decay first, which marks feel more than the task, then fine-tuning."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Regularise(Attack):
    """Train with a strong L2 penalty, then fine-tune without it.

    Source: Shafieinejad et al. 2019, arXiv 1906.07745 (regularisation attack); also in Lukas et al. 2022.

    Args:
        decay: L2 penalty of the first part.
        epochs: passes over the thief's data in the first part.
        tuning: passes in the second.
        rate: learning rate of both.
        batch: samples a step.

    """

    name: ClassVar[str] = "regularise"
    summary: ClassVar[str] = "strong weight decay, then fine-tuning"
    source: ClassVar[str] = "Shafieinejad et al. 2019, arXiv 1906.07745"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = tuple({"decay": decay} for decay in (0.005, 0.01, 0.02, 0.05, 0.1))

    decay: float = 0.02
    epochs: int = 5
    tuning: int = 5
    rate: float = 0.02
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=min(self.epochs, self.tuning), batch=self.batch, rate=self.rate)
        if not 0 <= self.decay < float("inf"):
            raise ValueError(f"expected a decay from 0 on, got {self.decay}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy after both parts."""
        strong = constant(self.epochs, self.rate, batch=self.batch, weight_decay=self.decay, clip=1.0)
        shrunk = fit(model, task, strong, seed=seed, watch=watch)
        return fit(
            shrunk, task, constant(self.tuning, self.rate, batch=self.batch, clip=1.0), seed=seed + 1, watch=watch
        )
