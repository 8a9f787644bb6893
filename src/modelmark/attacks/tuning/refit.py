"""REFIT: fine-tuning at a rate large enough to leave the marked minimum, decayed to settle in another."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import Recipe
from modelmark.task import Task
from modelmark.training import Watch, fit


class Refit(Attack):
    """Fine-tune all layers from a large learning rate down to zero.

    Source: Chen et al. 2021, "REFIT", arXiv 1911.07205.
    Departs: the rate falls in a straight line to zero; their two extensions, elastic weight consolidation and unlabelled
    data, are left out.

    Args:
        peak: learning rate at the beginning.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "refit"
    summary: ClassVar[str] = "fine-tune from a large rate down to zero"
    source: ClassVar[str] = "Chen et al. 2021, arXiv 1911.07205"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"peak": 0.01},
        {"peak": 0.03},
        {"peak": 0.05},
        {"peak": 0.1},
        {"peak": 0.3, "epochs": 20},
    )

    peak: float = 0.05
    epochs: int = 15
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.peak)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy."""
        falling = ((0.0, self.peak), (float(self.epochs), 0.0))
        recipe = Recipe(self.epochs, falling, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, watch=watch)
