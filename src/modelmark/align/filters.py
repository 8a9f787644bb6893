"""How alike the weights of the channels of two networks are, once their neighbours are matched."""

from collections.abc import Mapping
from dataclasses import replace

import torch
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


def returning(
    channels: Channels, host: nn.Module, ordered: Mapping[str, Tensor], scales: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Return cosines between the weights of matched channels in the layers from an axis to itself that ``filters`` leaves out.

    They tell the sign of a channel that never varies on the pictures; which channel is which they do not tell.

    Args:
        channels: of the host.
        host: read only.
        ordered: the suspect's state in the host's order.
        scales: by gauge, positive; those of the layers' inputs are applied.

    Returns:
        By gauge whose sign is free, float64 ``(K,)``; a gauge that no such layer makes is left out.
    """
    found: dict[int, Tensor] = {}
    for junction in channels.junctions:
        port, source = junction.output, junction.source
        alone = junction.kind != "norm" and source.axis == port.axis and port.block == 1
        if not alone or not channels.gauges[port.gauge].signed or channels.gauges[source.gauge].signed:
            continue
        name = f"{junction.path}.weight"
        weights = (host.get_parameter(name).detach(), ordered[name])
        ours, theirs = (weight.double().reshape(*weight.shape[:2], -1) for weight in weights)
        if (scale := scales.get(source.gauge)) is not None:
            theirs = theirs * scale.repeat_interleave(source.block)[None, :, None]
        cosines = torch.cosine_similarity(ours.flatten(1), theirs.flatten(1))
        found[port.gauge] = found.get(port.gauge, 0) + cosines
    return found


def _touches(junction: Junction, axis: int) -> bool:
    return (junction.source.axis == axis) != (junction.output.axis == axis)


def _columns(weight: Tensor, block: int) -> Tensor:
    """Return what each input channel sends, ``(channels, block * outputs * kernel)``."""
    return weight.transpose(0, 1).reshape(weight.shape[1] // block, -1)
