"""Label noise: fine-tuning on partly wrong labels, which memorised labels resist least."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class LabelNoise(Attack):
    """Fine-tune with a share of the labels replaced by random ones.

    Source: Lukas et al. 2022, arXiv 2108.04974 (label noising, in their toolbox).

    Args:
        share: of the labels that are drawn anew, uniform over all classes.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "label-noise"
    summary: ClassVar[str] = "fine-tune with a share of random labels"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"share": 0.05},
        {"share": 0.1},
        {"share": 0.2},
        {"share": 0.3},
        {"share": 0.3, "rate": 0.05},
    )

    share: float = 0.2
    rate: float = 0.01
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, share=self.share)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy."""
        generator = torch.Generator().manual_seed(seed)
        targets = task.train_targets.clone()
        if targets.is_floating_point():
            targets = targets.argmax(dim=1)
        wrong = torch.randperm(len(targets), generator=generator)[: round(self.share * len(targets))].to(targets.device)
        targets[wrong] = torch.randint(task.interface.classes, wrong.shape, generator=generator).to(targets.device)
        noisy = replace(task, train_targets=targets)
        return fit(model, noisy, constant(self.epochs, self.rate, batch=self.batch, clip=1.0), seed=seed, watch=watch)
