"""Quantisation: weights on a grid of few values, kept as floating-point numbers."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.weights import rewritten
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within, sweep


class Quantise(Removal, family="compression"):
    """Round each layer's weights to ``2**bits`` values, evenly spaced from smallest to largest.

    Source: Lukas et al. 2022, arXiv 2108.04974; weight quantisation.
    Departs: nothing is trained afterwards; they add one epoch.
    """

    strengths = (
        *sweep(bits=(8, 6, 4, 3, 2)),
        *({"bits": bits, "scope": "layer"} for bits in (4, 3, 2)),
    )

    bits: Annotated[int, Within(1, 16), "a weight"] = 4
    scope: Annotated[Literal["layer", "channel"], "what has a grid of its own"] = "channel"

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the quantised model; neither data nor chance takes part."""
        return rewritten(stolen, self._rounded)

    def _rounded(self, weight: Tensor) -> Tensor:
        rows = weight.flatten(1) if self.scope == "channel" else weight.reshape(1, -1)
        low, high = rows.aminmax(dim=1, keepdim=True)
        step = ((high - low) / (2**self.bits - 1)).clamp(min=torch.finfo(weight.dtype).tiny)
        return (((rows - low) / step).round() * step + low).view_as(weight)
