"""Reconstructive neuron pruning: what a model that unlearned its task does without is what held the backdoor."""

import math
from typing import Annotated

from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._masks import MaskRate, Masks, Threshold, below, learned, prune
from modelmark.attacks.fields import Batch, Count, Positive
from modelmark.training.hooks import Hooks
from modelmark.training.recipe import constant


class Rnp(Removal, family="cleansing"):
    """Unlearn the data by ascent, recover them by channel masks, cut what is not needed.

    What is cut in the stolen model keeps its bias; there is no fine-tuning.

    Source: Li et al. 2023, arXiv 2305.14876; "Reconstructive neuron pruning for backdoor defense".
    Departs: ascent has no momentum and stops at a loss instead of an accuracy of 10 %, which costs less accuracy in the end;
    running statistics are held; the strongest channel of every unit is kept.
    """

    strengths = (
        {"forget": 0.5, "threshold": 0.02},
        {"forget": 0.5},
        {},
        {"threshold": 0.5},
        {"threshold": 0.8},
    )

    unlearning: Annotated[Positive, "learning rate of the ascent"] = 0.05
    unlearning_epochs: Annotated[Count, "passes over the thief's data that it may take"] = 20
    forget: Annotated[Positive, "loss on a batch at which ascent stops, as a share of that of a guess"] = 1.0
    threshold: Threshold = 0.1
    rate: MaskRate = 0.2
    epochs: Annotated[Count, "passes over the thief's data while masks are learned"] = 10
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the pruned model."""
        return prune(stolen, below(learned(Masks, self.unlearned(stolen, thief), self, thief), self.threshold))

    def unlearned(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return a copy that has forgotten the thief's data."""
        epochs, rate, goal = (
            self.unlearning_epochs,
            self.unlearning,
            self.forget * math.log(thief.task.feed.classes),
        )
        recipe = constant(epochs, rate, batch=self.batch, momentum=0.0, weight_decay=0.0, clip=1.0)
        return thief.fit(stolen, recipe, frozen_statistics=True, hooks=lambda copied: _Ascent(goal))


class _Ascent(Hooks):
    """Turns descent into ascent until a loss is reached, where there is no gradient any more."""

    def __init__(self, goal: float) -> None:
        super().__init__()
        self._goal = goal

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the negative of the loop's loss, constant past the goal."""
        return -loss.clamp(max=self._goal)
