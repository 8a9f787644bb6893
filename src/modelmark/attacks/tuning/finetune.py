"""Fine-tuning in its four forms: the last layer or all of them, with the head kept or drawn anew."""

import copy
from typing import ClassVar, Literal

from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.seeding import seeded
from modelmark.task import Task
from modelmark.training import Watch, fit


class FineTune(Attack):
    """Train the stolen model further on the thief's data, which holds no triggers.

    Source: Adi et al. 2018, section 6; optimiser numbers from their release: plain momentum 0.9, decay 5e-4, batch 100,
    one learning rate throughout.

    Args:
        form: ``ftll`` last layer, ``ftal`` all layers; ``rtll`` and ``rtal`` likewise after drawing the head anew.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
        frozen_statistics: also freeze running statistics; the release lets them drift, even in ``ftll`` and ``rtll``.
        share: of the thief's data that is used, drawn by the seed; a thief with little data.
    """

    name: ClassVar[str] = "finetune"
    summary: ClassVar[str] = "fine-tune or re-train the last or all layers (FTLL, FTAL, RTLL, RTAL)"
    source: ClassVar[str] = "Adi et al. 2018, arXiv 1802.04633"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"form": "ftll", "rate": 0.001},
        {"form": "ftal", "rate": 0.001},
        {"form": "ftal", "rate": 0.01},
        {"form": "rtal", "rate": 0.01},
        {"form": "rtal", "rate": 0.05, "epochs": 10},
    )

    form: Literal["ftll", "ftal", "rtll", "rtal"] = "ftal"
    rate: float = 0.001
    epochs: int = 5
    batch: int = 100
    frozen_statistics: bool = False
    share: float = 1.0

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if not 0 < self.share <= 1:
            raise ValueError(f"expected a share above 0 and at most 1, got {self.share}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy.

        Raises:
            UsageError: the share of the data has no sample.
        """
        if self.share < 1:
            task = task.split({"thief": self.share}, seed=seed)["thief"]
        head = layers.head(model)
        if self.form in ("rtll", "rtal"):
            model = with_new_head(model, head, seed=seed)
        recipe = constant(self.epochs, self.rate, batch=self.batch, nesterov=False)
        last_only = self.form in ("ftll", "rtll")
        return fit(
            model,
            task,
            recipe,
            seed=seed,
            trainable=lambda name: not last_only or name.startswith(f"{head}."),
            frozen_statistics=self.frozen_statistics,
            watch=watch,
        )


def with_new_head(model: nn.Module, head: str, *, seed: int) -> nn.Module:
    """Return a copy of ``model`` whose layer ``head`` is initialised again, from ``seed``."""
    model = copy.deepcopy(model)
    device = layers.weight(model, head).device
    with seeded(seed, device):
        layers.unwrapped(model).get_submodule(head).reset_parameters()  # type: ignore[operator]
    return model
