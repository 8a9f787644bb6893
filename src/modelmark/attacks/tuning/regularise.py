"""Regularisation: strong weight decay first, which marks feel more than the task, then fine-tuning."""

from typing import Annotated

from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Positive, Within, sweep
from modelmark.training.recipe import constant


class Regularise(Removal, family="fine-tuning"):
    """Strong weight decay, then fine-tuning without it.

    Source: Shafieinejad et al. 2019, arXiv 1906.07745; regularisation attack. Also in Lukas et al. 2022.
    """

    strengths = sweep(decay=(0.005, 0.01, 0.02, 0.05, 0.1))

    decay: Annotated[float, Within(0), "L2 penalty of the first part"] = 0.02
    epochs: Annotated[Count, "passes over the thief's data in the first part"] = 5
    tuning: Annotated[Count, "passes in the second"] = 5
    rate: Annotated[Positive, "learning rate of both"] = 0.02
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after both parts."""
        strong = constant(self.epochs, self.rate, batch=self.batch, weight_decay=self.decay, clip=1.0)
        tuning = constant(self.tuning, self.rate, batch=self.batch, clip=1.0)
        return thief.fit(thief.fit(stolen, strong), tuning, seed=thief.seed + 1)
