"""Rescaling: every channel is multiplied by a factor that the next layer divides by."""

import math
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Rescale(Removal, family="symmetry"):
    """Multiply channels by positive factors wherever ReLU, batch norm or a linear layer lets them cancel.

    Source: Neyshabur et al. 2015, arXiv 1506.02617; as an attack on marks, with the other function-preserving ones, in Lukas
    et al. 2022.
    """

    spread: Annotated[float, Within(1), "factors are log-uniform from 1 / spread to spread"] = 4.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the rescaled model; no data takes part.

        Raises:
            UsageError: no channel can be rescaled, or the channels cannot be followed.
        """
        channels = trace(stolen)
        if not channels.scalable:
            raise UsageError("expected hidden channels that can be rescaled, got a model without")
        generator = thief.generator()
        scales = {}
        for gauge in channels.scalable:
            size = channels.axes[channels.gauges[gauge].axis].size
            exponent = torch.rand(size, generator=generator, dtype=torch.float64) * 2 - 1
            scales[gauge] = torch.exp(exponent * math.log(self.spread))
        return reparametrised(stolen, channels, scales=scales)
