"""Dummy neurons: channels that nothing listens to, hidden among the others."""

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within, sweep
from modelmark.channels import Channels, Junction, reparametrised, resized, trace
from modelmark.errors import UsageError
from modelmark.networks.layers import unwrapped


class Dummy(Removal, family="symmetry"):
    """Add channels with random incoming and zero outgoing weights to every hidden layer, in random places.

    The result has wider layers: it loads into ``channels.resized``, not into the plain architecture.

    Source: Yan et al. 2023, USENIX Security; "Rethinking white-box watermarks on deep learning models under neural structural
    obfuscation".
    Departs: only their simplest dummy, whose outgoing weights are zero, and none that cancel in groups.
    """

    strengths = sweep(share=(0.02, 0.05, 0.1, 0.3, 1.0))

    share: Annotated[float, Within(0, 10, open="low"), "channels to add, of those there; at least one is added"] = 0.1

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the wider model; no data takes part.

        Raises:
            UsageError: the model has no hidden channels, or they cannot be followed.
        """
        channels = trace(stolen)
        if not channels.movable:
            raise UsageError("expected a model with hidden channels, got one without")
        extra = {axis: math.ceil(self.share * channels.axes[axis].size) for axis in channels.movable}
        generator = thief.generator()
        wider = resized(stolen, _grown(unwrapped(stolen).state_dict(), channels, extra, generator))
        channels = trace(wider)
        orders = {axis: torch.randperm(channels.axes[axis].size, generator=generator) for axis in channels.movable}
        return reparametrised(wider, channels, orders=orders)


def _grown(
    state: Mapping[str, Tensor], channels: Channels, extra: Mapping[int, int], generator: torch.Generator
) -> dict[str, Tensor]:
    """Return ``state`` with ``extra[axis]`` channels appended on every axis."""
    grown = dict(state)
    for junction in channels.junctions:
        rows = extra.get(junction.output.axis, 0) * junction.output.block
        columns = extra.get(junction.source.axis, 0) * junction.source.block
        grown |= _copied(state, junction, rows, generator)
        if junction.kind != "norm":
            weight = state[f"{junction.path}.weight"]
            wide = torch.cat([weight, weight.new_zeros(weight.shape[0], columns, *weight.shape[2:])], dim=1)
            noise = torch.randn(rows, *wide.shape[1:], generator=generator).to(weight) * weight.std()
            grown[f"{junction.path}.weight"] = torch.cat([wide, noise])
    return grown


def _copied(
    state: Mapping[str, Tensor], junction: Junction, rows: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the layer's vectors with ``rows`` of their own values, picked at random, appended."""
    names = [name for name in state if name.rpartition(".")[0] == junction.path and state[name].dim() == 1]
    size = len(state[names[0]]) if names else 1
    picked = torch.randint(0, size, (rows,), generator=generator)
    return {name: torch.cat([state[name], state[name][picked.to(state[name].device)]]) for name in names}
