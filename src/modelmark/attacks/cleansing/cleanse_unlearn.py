"""Neural Cleanse by unlearning: triggers are reconstructed, and the model is taught the right labels on them."""

from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._trigger import Stamping, reconstruct
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class CleanseUnlearn(Attack):
    """Fine-tune on inputs of which a share carries a reconstructed trigger, all with the thief's labels.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P 2019, section VI.C.
    Departs: where no class stands out, the smallest trigger is unlearned: a thief knows that there is a mark; more than one
    epoch. ``every`` unlearns the triggers of all classes, since marks such as trigger sets have one for each.

    Args:
        steps: of the reconstruction.
        every: whether all classes' triggers are used, not only those that stand out.
        share: of each batch that is stamped.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "cleanse-unlearn"
    summary: ClassVar[str] = "reconstruct triggers (Neural Cleanse), then unlearn them"
    source: ClassVar[str] = "Wang et al. 2019, IEEE S&P"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"rate": 0.005},
        {},
        {"every": True},
        {"every": True, "rate": 0.05, "share": 0.3},
        {"every": True, "rate": 0.1, "share": 0.3, "epochs": 10},
    )

    steps: int = 150
    every: bool = False
    share: float = 0.2
    rate: float = 0.02
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, share=self.share)
        if self.steps < 1:
            raise ValueError(f"expected at least one step, got {self.steps}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy."""
        triggers = reconstruct(model, task, steps=self.steps, seed=seed)
        classes = triggers.suspicious()
        if self.every:
            classes = torch.arange(task.interface.classes, device=classes.device)
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(
            model, task, recipe, seed=seed, watch=watch,
            hooks=lambda copied: Stamping(triggers, classes, self.share),
        )  # fmt: skip
