"""Sign flips: filters are negated and batch norm, or the next linear layer, takes the sign back."""

import numpy as np
import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed, is_transformer
from modelmark.blocks import heads, stream, units
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed, Reals, matrix
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError


class Flip(Removal, family="symmetry"):
    """Negate a random half of the channels wherever what follows takes the sign back; the function stays.

    No activation may stand between a channel and the batch norm or linear layer that takes its sign back; in a transformer
    gains of norms, values of heads, and hidden units beside a gate or behind tanh.

    Source: Ioffe and Szegedy 2015, arXiv 1502.03167; batch norm does not see the scale of its input, nor, with its slope
    negated, the sign.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the flipped model; no data takes part.

        Raises:
            UsageError: nothing in the model takes a sign back, or the channels cannot be followed.
        """
        if is_transformer(stolen):
            return changed(stolen, thief, _flipped)
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


def _flipped(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    for norm in (norm for part in described.parts for norm in part.norms if norm.readers):
        stream.weigh(state, norm, _signs(generator, described.width))
    for block in described.blocks:
        if block.attention is not None and block.attention.heads:
            groups, width = block.attention.groups, heads.size(state, block.attention)
            passed = _signs(generator, groups, width)[:, None] * np.eye(width)
            heads.turn(state, block.attention, np.stack([np.eye(width)] * groups), passed)
    for each in (each for part in described.parts for each in part.units if each.freedom in ("signs", "any")):
        units.scale(state, each, _signs(generator, len(matrix(state, each.makers[0]))))


def _signs(generator: np.random.Generator, *shape: int) -> Reals:
    return np.asarray(generator.integers(0, 2, shape) * 2.0 - 1.0, np.float64)
