"""Permutation: the hidden channels change places, the function stays."""

import numpy as np
import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries import permute_heads, permute_stream, permute_units
from modelmark.attacks.symmetries._transformers import changed, is_transformer
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Permute(Removal, family="symmetry"):
    """Put the channels of every hidden layer in random order; the function stays.

    Of a transformer the heads, the hidden units and the residual stream.

    Source: Lukas et al. 2022, arXiv 2108.04974; there "neuron permutation".
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the permuted model; no data takes part.

        Raises:
            UsageError: the model has no hidden channels, or they cannot be followed.
        """
        if is_transformer(stolen):
            return changed(stolen, thief, _permuted)
        channels = trace(stolen)
        if not channels.movable:
            raise UsageError("expected a model with hidden channels, got one without")
        generator = thief.generator()
        orders = {axis: torch.randperm(channels.axes[axis].size, generator=generator) for axis in channels.movable}
        return reparametrised(stolen, channels, orders=orders)


def _permuted(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    for each in (permute_heads, permute_units, permute_stream):
        each.permuted(state, described, generator)
