"""Adversarial training: the stolen model is hardened, and what it memorised goes first."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks._tools.perturb import Adversarial
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Rate, Share


class AdversarialTraining(Removal, name="adversarial", family="fine-tuning", feeds=NUMBERS):
    """Fine-tune with adversarial examples (PGD) of a share of every batch added.

    Source: Lukas et al. 2022, arXiv 2108.04974; adversarial training. Descent of Madry et al. 2018, arXiv 1706.06083.
    Departs: seven longer steps instead of forty short ones, on a share of every batch instead of 1,000 samples an epoch.
    """

    strengths = (
        {"eps": 0.01, "step": 0.005},
        {"eps": 0.05, "step": 0.02},
        {"eps": 0.1},
        {"eps": 0.1, "rate": 0.05},
        {"eps": 0.25, "step": 0.06, "rate": 0.05},
    )

    eps: Annotated[Share, "largest change of a number, of full scale"] = 0.1
    step: Annotated[Share, "length of a step, of full scale"] = 0.03
    iterations: Annotated[Count, "steps"] = 7
    share: Annotated[Share, "of each batch that is attacked; at least one sample is"] = 0.5
    rate: Rate = 0.01
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the hardened model."""
        extent = Extent.of(thief.task)

        def hooks(copied: nn.Module) -> Adversarial:
            return Adversarial(
                copied, lambda x, y: y, extent,
                share=self.share, eps=self.eps, step=self.step, iterations=self.iterations,
            )  # fmt: skip

        return thief.tune(stolen, self, hooks=hooks)
