"""How alike the weights of the channels of two networks are, once their neighbours are matched."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from modelmark.align.matching import Likeness
from modelmark.channels import Channels, Junction, transformed


def filters(
    channels: Channels,
    host: nn.Module,
    wider: Channels,
    suspect: nn.Module,
    *,
    orders: Mapping[int, Tensor],
    scales: Mapping[int, Tensor],
) -> Likeness:
    """Return cosines between the weights of channels.

    Compared are the rows of the layers that produce a channel and the columns of those that read it, with the other side
    of each layer in the host's coordinates. A layer from an axis to itself is left out.

    Args:
        channels: of the host.
        host: read only.
        wider: of the suspect.
        suspect: read only.
        orders: what is known so far, for every axis that may be reordered.
        scales: likewise, for every gauge that may be scaled.
    """
    found: Likeness = []
    for axis in channels.movable:
        beside = tuple(each for each in wider.junctions if each.kind != "norm" and _touches(each, axis))
        known = {other: order for other, order in orders.items() if other != axis}
        factors = {gauge: scale for gauge, scale in scales.items() if channels.gauges[gauge].axis != axis}
        state = transformed(suspect, replace(wider, junctions=beside), orders=known, scales=factors)
        for junction in beside:
            name = f"{junction.path}.weight"
            ours, theirs = host.get_parameter(name).detach().double(), state[name].double()
            port = junction.output
            if port.axis != axis:
                port = junction.source
                ours, theirs = _columns(ours, port.block), _columns(theirs, port.block)
            cosines = nn.functional.normalize(ours.flatten(1)) @ nn.functional.normalize(theirs.flatten(1)).T
            found.append((port, cosines))
    return found


def _touches(junction: Junction, axis: int) -> bool:
    return (junction.source.axis == axis) != (junction.output.axis == axis)


def _columns(weight: Tensor, block: int) -> Tensor:
    """Return what each input channel sends, ``(channels, block * outputs * kernel)``."""
    return weight.transpose(0, 1).reshape(weight.shape[1] // block, -1)
