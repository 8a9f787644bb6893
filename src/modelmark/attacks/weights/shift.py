"""Weight shifting: filters lose what they have in common, which is what an average over them reads."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.weights import rewritten
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Within
from modelmark.training.recipe import constant


class Shift(Removal, family="noise"):
    """Subtract from every convolution and linear layer a multiple of its mean filter, add noise, then fine-tune.

    Aimed at ``uchida``, which reads the mean over output filters. A strength of 1 erases what is read there; above it the mean
    comes back with the other sign, and so does every bit, which no draw explains and no mark either.

    Source: Lukas et al. 2022, arXiv 2108.04974; weight shifting, with the noise and the tuning of their toolbox.
    Departs: the noise is a setting, and gentler by default than theirs, a whole standard deviation.
    """

    strengths = (
        {"strength": 0.5},
        {"strength": 1.0},
        {"strength": 1.5},
        {"strength": 2.5},
        {"strength": 2.5, "noise": 0.5, "rate": 0.05},
    )

    strength: Annotated[float, Within(0), "how many times the mean filter is subtracted"] = 1.5
    noise: Annotated[float, Within(0), "deviation of the noise, as a share of that of the layer's weights"] = 0.2
    rate: Rate = 0.02
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the shifted and fine-tuned model."""
        generator = thief.generator()

        def shifted(weight: Tensor) -> Tensor:
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            centred = weight - self.strength * weight.mean(dim=0, keepdim=True)
            return centred + self.noise * weight.std() * noise

        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return thief.fit(rewritten(stolen, shifted), recipe)
