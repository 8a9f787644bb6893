"""Quantisation: weights on a grid of few values, kept as floating-point numbers."""

import copy
from typing import ClassVar, Literal

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch


class Quantise(Attack):
    """Round the weights of all convolution and linear layers to ``2**bits`` values, evenly spaced from smallest to largest.

    Source: Lukas et al. 2022, arXiv 2108.04974 (weight quantisation).
    Departs: nothing is trained afterwards; they add one epoch.

    Args:
        bits: from 1 to 16.
        scope: one grid for a ``layer``, or one for every output ``channel``.

    """

    name: ClassVar[str] = "quantise"
    summary: ClassVar[str] = "round the weights to few values"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "compression"
    strengths: ClassVar[Strengths] = tuple({"bits": bits} for bits in (8, 6, 4, 3, 2))

    bits: int = 4
    scope: Literal["layer", "channel"] = "channel"

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise ValueError(f"expected 1 to 16 bits, got {self.bits}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the quantised copy; neither data nor chance takes part."""
        model = copy.deepcopy(model)
        with torch.no_grad():
            for layer in layers.markable(model):
                weight = layers.weight(model, layer.path)
                rows = weight.flatten(1) if self.scope == "channel" else weight.reshape(1, -1)
                low, high = rows.aminmax(dim=1, keepdim=True)
                step = ((high - low) / (2**self.bits - 1)).clamp(min=torch.finfo(weight.dtype).tiny)
                weight.copy_((((rows - low) / step).round() * step + low).view_as(weight))
        return model.eval()
