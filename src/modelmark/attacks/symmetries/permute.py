"""Permutation: the hidden channels change places, the function stays."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Kind, Strengths
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Permute:
    """Put the channels of every hidden layer in random order.

    Source: Lukas et al. 2022, arXiv 2108.04974 (there "neuron permutation").
    """

    name: ClassVar[str] = "permute"
    summary: ClassVar[str] = "hidden channels in random order, same function"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "symmetry"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = ({},)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the permuted copy; no data takes part.

        Raises:
            UsageError: the model has no hidden channels, or they cannot be followed.
        """
        channels = trace(model)
        if not channels.movable:
            raise UsageError("expected a model with hidden channels, got one without")
        generator = torch.Generator().manual_seed(seed)
        orders = {axis: torch.randperm(channels.axes[axis].size, generator=generator) for axis in channels.movable}
        return reparametrised(model, channels, orders=orders)
