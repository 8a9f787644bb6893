"""Adversarial training: the stolen model is hardened, and what it memorised goes first."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._perturb import Adversarial
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class AdversarialTraining(Attack):
    """Fine-tune on the thief's data with adversarial examples of a share of every batch added.

    Source: Lukas et al. 2022, arXiv 2108.04974 (adversarial training); descent of Madry et al. 2018, arXiv 1706.06083.
    Departs: seven longer steps instead of forty short ones, on a share of every batch instead of 1,000 samples an epoch.

    Args:
        eps: largest change of a pixel, of full scale.
        step: length of a step, of full scale.
        iterations: steps.
        share: of each batch that is attacked; at least one sample is.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "adversarial"
    summary: ClassVar[str] = "fine-tune on adversarial examples (PGD)"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"eps": 0.01, "step": 0.005},
        {"eps": 0.05, "step": 0.02},
        {"eps": 0.1},
        {"eps": 0.1, "rate": 0.05},
        {"eps": 0.25, "step": 0.06, "rate": 0.05},
    )

    eps: float = 0.1
    step: float = 0.03
    iterations: int = 7
    share: float = 0.5
    rate: float = 0.01
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, share=self.share, eps=self.eps, step=self.step)
        if self.iterations < 1:
            raise ValueError(f"expected at least one iteration, got {self.iterations}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the hardened copy."""

        def hooks(copied: nn.Module) -> Hooks:
            return Adversarial(
                lambda: copied, lambda x, y: y, task.interface,
                share=self.share, eps=self.eps, step=self.step, iterations=self.iterations,
            )  # fmt: skip

        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, hooks=hooks, watch=watch)
