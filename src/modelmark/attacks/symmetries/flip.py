"""Sign flips: filters are negated and batch norm, or the next linear layer, takes the sign back."""

from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.channels import reparametrised, trace
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


class Flip(Attack):
    """Negate a random half of the channels wherever no activation stands between them and what takes the sign back.

    Source: batch norm does not see the scale of its input (Ioffe and Szegedy 2015, arXiv 1502.03167), nor, with its slope
    negated, the sign.
    """

    name: ClassVar[str] = "flip"
    summary: ClassVar[str] = "filters before batch norm negated, same function"
    source: ClassVar[str] = "Ioffe and Szegedy 2015, arXiv 1502.03167"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "symmetry"
    strengths: ClassVar[Strengths] = ({},)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the flipped copy; no data takes part.

        Raises:
            UsageError: nothing in the model takes a sign back, or the channels cannot be followed.
        """
        channels = trace(model)
        signed = [index for index in channels.scalable if channels.gauges[index].signed]
        if not signed:
            raise UsageError("expected channels whose sign batch norm takes back, got a model without")
        generator = torch.Generator().manual_seed(seed)
        scales = {}
        for gauge in signed:
            size = channels.axes[channels.gauges[gauge].axis].size
            scales[gauge] = torch.randint(0, 2, (size,), generator=generator) * 2.0 - 1.0
        return reparametrised(model, channels, scales=scales)
