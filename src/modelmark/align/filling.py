"""A suspect from which channels were cut, with silent ones in their place, so that the rest can be matched."""

import torch
from torch import Tensor, nn

from modelmark.channels import Channels, Port, resized, trace, transformed


def filled(suspect: nn.Module, channels: Channels) -> nn.Module:
    """Return ``suspect`` with as many channels as the host wherever it has fewer, and the same function.

    What is added has no weight that leads to it and none that leads on. Matching leaves it for those channels of the host that
    nothing in the suspect resembles.

    Args:
        suspect: read only; returned as it is if no channels are missing.
        channels: of the host; the same graph.
    """
    narrower = trace(suspect)
    sizes = {axis: (narrower.axes[axis].size, channels.axes[axis].size) for axis in channels.movable}
    sizes = {axis: (theirs, ours) for axis, (theirs, ours) in sizes.items() if theirs < ours}
    if not sizes:
        return suspect
    orders = {axis: torch.arange(ours).where(torch.arange(ours) < theirs, 0) for axis, (theirs, ours) in sizes.items()}
    state = transformed(suspect, narrower, orders=orders)
    for junction in narrower.junctions:
        for name, silent in (("weight", 0.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            if (tensor := state.get(f"{junction.path}.{name}")) is not None:
                _added(tensor, junction.output, sizes).fill_(silent)
        if junction.kind != "norm":
            _added(state[f"{junction.path}.weight"].transpose(0, 1), junction.source, sizes).fill_(0.0)
    return resized(suspect, state)


def _added(tensor: Tensor, port: Port, sizes: dict[int, tuple[int, int]]) -> Tensor:
    """Return what was added to a tensor along its first dimension, which are the features at ``port``."""
    return tensor[sizes[port.axis][0] * port.block :] if port.axis in sizes else tensor[:0]
