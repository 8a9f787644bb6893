"""Permutation: the hidden channels change places, the function stays."""

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Permute(Removal, family="symmetry"):
    """Put the channels of every hidden layer in random order; the function stays.

    Source: Lukas et al. 2022, arXiv 2108.04974; there "neuron permutation".
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the permuted model; no data takes part.

        Raises:
            UsageError: the model has no hidden channels, or they cannot be followed.
        """
        channels = trace(stolen)
        if not channels.movable:
            raise UsageError("expected a model with hidden channels, got one without")
        generator = thief.generator()
        orders = {axis: torch.randperm(channels.axes[axis].size, generator=generator) for axis in channels.movable}
        return reparametrised(stolen, channels, orders=orders)
