"""Rescaling: every channel is multiplied by a factor that the next layer divides by."""

import math
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


class Rescale(Attack):
    """Multiply channels by positive factors wherever ReLU, batch norm or a linear layer lets them cancel.

    Source: the symmetry is that of Neyshabur et al. 2015, arXiv 1506.02617; as an attack on marks, with the other
    function-preserving ones, in Lukas et al. 2022.

    Args:
        spread: factors are log-uniform from ``1 / spread`` to ``spread``; at least 1.
    """

    name: ClassVar[str] = "rescale"
    summary: ClassVar[str] = "hidden channels scaled up and down, same function"
    source: ClassVar[str] = "Neyshabur et al. 2015, arXiv 1506.02617"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "symmetry"
    strengths: ClassVar[Strengths] = ({},)

    spread: float = 4.0

    def __post_init__(self) -> None:
        if not 1 <= self.spread < math.inf:
            raise ValueError(f"expected a spread of at least 1, got {self.spread}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the rescaled copy; no data takes part.

        Raises:
            UsageError: no channel can be rescaled, or the channels cannot be followed.
        """
        channels = trace(model)
        if not channels.scalable:
            raise UsageError("expected hidden channels that can be rescaled, got a model without")
        generator = torch.Generator().manual_seed(seed)
        scales = {}
        for gauge in channels.scalable:
            size = channels.axes[channels.gauges[gauge].axis].size
            exponent = torch.rand(size, generator=generator, dtype=torch.float64) * 2 - 1
            scales[gauge] = torch.exp(exponent * math.log(self.spread))
        return reparametrised(model, channels, scales=scales)
