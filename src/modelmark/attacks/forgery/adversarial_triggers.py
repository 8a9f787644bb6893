"""Ambiguity for black-box marks: pictures made on the stolen model, after the fact, to give labels of one's choice."""

from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks._tools.targeted import targeted
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.task import Task
from modelmark.training import Watch


class AdversarialTriggers(Attack):
    """Choose labels, then optimise pictures until the stolen model gives them: a trigger set without any embedding.

    Source: the ambiguity that Adi et al. 2018 leave open (their "non-trivial ownership" game does not cover it), made with
    the targeted projected gradient descent of Madry et al. 2018, arXiv 1706.06083.

    Args:
        start: ``noise``, or the thief's own ``pictures``, which get labels other than their own.
        triggers: how many.
        epsilon: largest change of a pixel on the scale of 0 to 255.
        steps: of gradient descent.
    """

    name: ClassVar[str] = "adversarial-triggers"
    summary: ClassVar[str] = "claim pictures optimised on the stolen model to give chosen labels"
    source: ClassVar[str] = "Madry et al. 2018, arXiv 1706.06083"
    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]] = ("adi",)
    transfers: ClassVar[bool] = False
    family: ClassVar[str] = "forgery"
    strengths: ClassVar[Strengths] = ({},)

    start: _claims.Start = "noise"
    triggers: int = 100
    epsilon: float = 96.0
    steps: int = 40

    def __post_init__(self) -> None:
        if not 1 <= self.triggers <= 16384 or self.steps < 1 or not 0 < self.epsilon <= 255:
            raise ValueError(
                "expected 1 to 16384 triggers, a step and epsilon up to 255, "
                f"got {self.triggers}, {self.steps} and {self.epsilon}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return the claim; nothing is trained."""
        generator = torch.Generator().manual_seed(seed)
        pictures, own = _claims.started(self.start, self.triggers, task, generator)
        labels = _claims.other_labels(own, task.interface.classes, generator)
        made = targeted([model], pictures, labels, task.interface, epsilon=self.epsilon, steps=self.steps)
        return _claims.pictures_claim(made, labels, tries=self.triggers)
