"""Rescaling: every channel is multiplied by a factor that the next layer divides by."""

import math
from typing import Annotated

import numpy as np
import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within
from modelmark.attacks.symmetries._transformers import changed, is_transformer
from modelmark.blocks import heads, stream, units
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed, Reals, matrix
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Rescale(Removal, family="symmetry"):
    """Multiply channels by positive factors wherever ReLU, batch norm or a linear layer lets them cancel.

    In a transformer gains of norms, values of heads, their queries in pairs, and hidden units where nothing is bent.

    Source: Neyshabur et al. 2015, arXiv 1506.02617; as an attack on marks, with the other function-preserving ones, in Lukas
    et al. 2022.
    """

    spread: Annotated[float, Within(1), "factors are log-uniform from 1 / spread to spread"] = 4.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the rescaled model; no data takes part.

        Raises:
            UsageError: no channel can be rescaled, or the channels cannot be followed.
        """
        if is_transformer(stolen):
            return changed(stolen, thief, self._rescaled)
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

    def _rescaled(self, state: Changed, described: Transformer, generator: np.random.Generator) -> None:
        for norm in (norm for part in described.parts for norm in part.norms if norm.readers):
            stream.weigh(state, norm, self._factors(generator, described.width))
        for block in described.blocks:
            if block.attention is not None and block.attention.heads:
                groups, width = block.attention.groups, heads.size(state, block.attention)
                passed = self._factors(generator, groups, width)
                asked = np.tile(self._factors(generator, groups, (width + 1) // 2), 2)[
                    :, :width
                ]  # both of a pair alike
                if block.attention.basis == "none" or width % 2:
                    asked = np.ones_like(asked)
                heads.turn(state, block.attention, asked[:, None] * np.eye(width), passed[:, None] * np.eye(width))
        for each in (each for part in described.parts for each in part.units if each.freedom in ("positive", "any")):
            units.scale(state, each, self._factors(generator, len(matrix(state, each.makers[0]))))

    def _factors(self, generator: np.random.Generator, *shape: int) -> Reals:
        found: Reals = np.exp(generator.uniform(-1, 1, shape) * math.log(self.spread))
        return found
