"""Fine-tuning in its four forms: the last layer or all of them, with the head kept or drawn anew."""

from typing import Annotated, Literal

from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Part, Rate
from modelmark.networks import layers
from modelmark.seeding import seeded
from modelmark.training.recipe import constant


class FineTune(Removal, name="finetune", family="fine-tuning"):
    """Fine-tune or re-train the last or all layers (FTLL, FTAL, RTLL, RTAL) on data without triggers.

    Source: Adi et al. 2018, arXiv 1802.04633; section 6, optimiser numbers from their release: plain momentum 0.9, decay 5e-4,
    batch 100, one learning rate throughout.
    """

    strengths = (
        {"form": "ftll", "rate": 0.001},
        {"form": "ftal", "rate": 0.001},
        {"form": "ftal", "rate": 0.01},
        {"form": "rtal", "rate": 0.01},
        {"form": "rtal", "rate": 0.05, "epochs": 10},
    )

    form: Annotated[
        Literal["ftll", "ftal", "rtll", "rtal"],
        "ftll last layer, ftal all layers; rtll and rtal the same after drawing the head anew",
    ] = "ftal"
    rate: Rate = 0.001
    epochs: Epochs = 5
    batch: Batch = 100
    frozen_statistics: Annotated[bool, "freeze running statistics too; the release lets them drift, even in ftll"] = (
        False
    )
    share: Annotated[Part, "of the thief's data that is used, drawn by the seed; a thief with little data"] = 1.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model.

        Raises:
            UsageError: the share of the data has no sample.
        """
        head, last_only = layers.head(stolen), self.form in ("ftll", "rtll")
        task = thief.task.split({"thief": self.share}, seed=thief.seed)["thief"] if self.share < 1 else thief.task
        if self.form in ("rtll", "rtal"):
            redraw_head(stolen, seed=thief.seed)
        return thief.fit(
            stolen, constant(self.epochs, self.rate, batch=self.batch, nesterov=False), task=task,
            trainable=lambda name: not last_only or name.startswith(f"{head}."), frozen_statistics=self.frozen_statistics,
        )  # fmt: skip


def redraw_head(model: nn.Module, *, seed: int) -> None:
    """Initialise the last layer of ``model`` again, from ``seed``."""
    head = layers.head(model)
    with seeded(seed, layers.weight(model, head).device):
        layers.unwrapped(model).get_submodule(head).reset_parameters()  # type: ignore[operator]
