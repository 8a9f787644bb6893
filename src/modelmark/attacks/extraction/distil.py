"""Knowledge distillation: soft targets at a temperature, the thief's own labels beside them."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import softened
from modelmark.attacks.extraction._losses import Distilling
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch, fit


class Distil(Attack):
    """Train from new weights on ``alpha T² H(p_T, q_T) + (1 - alpha) H(y, q)``.

    ``p_T``, ``q_T``: the stolen model's and the student's probabilities at temperature T; ``y``: the thief's own labels;
    H: cross-entropy, which differs from the divergence of the original by a constant.

    Source: Hinton et al. 2015, arXiv 1503.02531; T 3 and alpha 1 as in Lukas et al. 2022, arXiv 2108.04974.

    Args:
        temperature: T.
        alpha: weight of the soft targets, 0 to 1; 1 leaves the thief's own labels unused.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "distil"
    summary: ClassVar[str] = "new weights, trained by knowledge distillation"
    source: ClassVar[str] = "Hinton et al. 2015, arXiv 1503.02531"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "distillation"
    strengths: ClassVar[Strengths] = ({},)

    temperature: float = 3.0
    alpha: float = 1.0
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if not 0 < self.temperature < float("inf") or not 0 <= self.alpha <= 1:
            raise ValueError(
                f"expected a temperature above 0 and alpha from 0 to 1, got {self.temperature} and {self.alpha}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student."""
        hard = task.train_targets
        if not hard.is_floating_point():
            hard = one_hot(hard, task.interface.classes).float()
        soft = softened(model, task, temperature=self.temperature).train_targets
        both = torch.cat([self.alpha * self.temperature**2 * soft, hard], dim=1)
        student = drawn_anew(model, seed=seed)
        return fit(
            student,
            replace(task, train_targets=both),
            schedule(student, task, self.epochs),
            seed=seed,
            hooks=lambda copied: Distilling(self.temperature, 1 - self.alpha),
            watch=watch,
        )
