"""Reconstructive neuron pruning: what a model that unlearned its task does without is what held the backdoor."""

import math
from typing import ClassVar

from torch import Tensor, nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._masks import Masks, below, learned, pruned
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Rnp(Attack):
    """Unlearn the thief's data by ascent, learn channel masks that recover it, and cut in the stolen model what they leave out.

    A cut channel keeps its bias; there is no fine-tuning.

    Source: Li et al. 2023, "Reconstructive neuron pruning for backdoor defense", arXiv 2305.14876.
    Departs: ascent has no momentum and stops at a loss instead of an accuracy of 10 %, which costs less accuracy in the end;
    running statistics are held; the strongest channel of every unit is kept.

    Args:
        unlearning: learning rate of the ascent.
        forget: loss on a batch at which ascent stops, as a share of that of a guess.
        unlearning_epochs: passes over the thief's data that it may take.
        threshold: channels with a smaller mask are cut.
        rate: learning rate of the masks.
        epochs: passes over the thief's data while they are learned.
        batch: samples a step.
    """

    name: ClassVar[str] = "rnp"
    summary: ClassVar[str] = "unlearn, recover by channel masks, cut what is not needed"
    source: ClassVar[str] = "Li et al. 2023, arXiv 2305.14876"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"forget": 0.5, "threshold": 0.02},
        {"forget": 0.5},
        {},
        {"threshold": 0.5},
        {"threshold": 0.8},
    )

    unlearning: float = 0.05
    unlearning_epochs: int = 20
    forget: float = 1.0
    threshold: float = 0.1
    rate: float = 0.2
    epochs: int = 10
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.unlearning_epochs, rate=self.unlearning)
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, threshold=self.threshold)
        if not 0 < self.forget < float("inf"):
            raise ValueError(f"expected forget above 0, got {self.forget}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the pruned copy."""
        lost = self.unlearned(model, task, seed=seed, watch=watch)
        recipe = constant(self.epochs, self.rate, batch=self.batch, nesterov=False)
        masks = learned(Masks, lost, task, recipe, seed=seed, watch=watch)
        return pruned(model, below(masks.paths, masks.values(), self.threshold))

    def unlearned(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy that has forgotten the thief's data."""
        recipe = constant(
            self.unlearning_epochs, self.unlearning, batch=self.batch, momentum=0.0, weight_decay=0.0, clip=1.0
        )  # fmt: skip
        return fit(
            model, task, recipe, seed=seed, frozen_statistics=True, watch=watch,
            hooks=lambda copied: _Ascent(self.forget * math.log(task.interface.classes)),
        )  # fmt: skip


class _Ascent(Hooks):
    """Turns descent into ascent until a loss is reached, where there is no gradient any more."""

    def __init__(self, goal: float) -> None:
        super().__init__()
        self._goal = goal

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the negative of the loop's loss, constant past the goal."""
        return -loss.clamp(max=self._goal)
