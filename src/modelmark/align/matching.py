"""From how alike channels are to which is which, and with which sign."""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from modelmark.channels import Channels, Port

Likeness: TypeAlias = list[tuple[Port, Tensor]]
"""Comparisons at places of the network: -1 to 1 for every pair of channels there, ``(host's, suspect's)`` float64."""


def orders(channels: Channels, likeness: Likeness) -> dict[int, Tensor]:
    """Return the suspect's channel for each of the host's, one to one, for every axis that may be reordered.

    Args:
        channels: of the host.
        likeness: at one place or more on every such axis; the sum over places is made as large as possible.

    Returns:
        By axis, int64 ``(host's channels,)``.
    """
    found = {}
    for axis in channels.movable:
        alike = [
            matrix.abs() if channels.gauges[port.gauge].signed else matrix
            for port, matrix in likeness
            if port.axis == axis
        ]
        _, chosen = linear_sum_assignment(torch.stack(alike).sum(dim=0).numpy(), maximize=True)
        found[axis] = torch.from_numpy(chosen)
    return found


def signs(
    channels: Channels, likeness: Likeness, orders: Mapping[int, Tensor], matched: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Return the sign, 1 or -1, of every matched channel of the gauges whose sign is free, ``(K,)`` float64.

    Args:
        channels: of the host.
        likeness: of every pair of channels.
        orders: which belongs to which.
        matched: by gauge, what further comparisons say of the matched pairs alone, ``(K,)``.
    """
    found = {}
    for index in channels.scalable:
        gauge = channels.gauges[index]
        if gauge.signed:
            order = orders[gauge.axis]
            total = torch.stack([matrix for port, matrix in likeness if port.gauge == index]).sum(dim=0)
            known = total[torch.arange(len(order)), order] + matched.get(index, 0)
            found[index] = torch.where(known < 0, -1.0, 1.0).double()
    return found
