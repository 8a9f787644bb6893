"""Weight noise: every weight moves a little, in a random direction."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.weights import rewritten
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within, sweep


class Noise(Removal, family="noise"):
    """Add Gaussian noise to the weights of all convolution and linear layers.

    Source: Bansal et al. 2022, ICML; "Certified neural network watermarks" certifies against it.
    """

    strengths = sweep(share=(0.05, 0.1, 0.2, 0.4, 0.7))

    share: Annotated[float, Within(0), "deviation of the noise, as a share of that of the layer's weights"] = 0.1

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the noisy model; no data takes part."""
        generator = thief.generator()

        def noisy(weight: Tensor) -> Tensor:
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            return weight + self.share * weight.std() * noise

        return rewritten(stolen, noisy)
