"""Sign flips: filters are negated and batch norm, or the next linear layer, takes the sign back."""

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Flip(Removal, family="symmetry"):
    """Negate a random half of the channels wherever what follows takes the sign back; the function stays.

    No activation may stand between a channel and the batch norm or linear layer that takes its sign back.

    Source: Ioffe and Szegedy 2015, arXiv 1502.03167; batch norm does not see the scale of its input, nor, with its slope
    negated, the sign.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the flipped model; no data takes part.

        Raises:
            UsageError: nothing in the model takes a sign back, or the channels cannot be followed.
        """
        channels = trace(stolen)
        signed = [index for index in channels.scalable if channels.gauges[index].signed]
        if not signed:
            raise UsageError("expected channels whose sign batch norm takes back, got a model without")
        generator = thief.generator()
        scales = {
            gauge: torch.randint(0, 2, (channels.axes[channels.gauges[gauge].axis].size,), generator=generator) * 2.0
            - 1.0
            for gauge in signed
        }
        return reparametrised(stolen, channels, scales=scales)
