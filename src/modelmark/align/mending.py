"""Channels of a suspect that do nothing, and weights in them that are out of all proportion: those of the host take their place.

A channel that never fires, or that nothing listens to, may hold any numbers. One filter of size 10^4 outweighs all others in a
mean over filters, and one constant unit all others in a projection; neither changes an answer. Which channels do nothing is seen
from the suspect and public pictures, what is out of proportion from the host: the message has no part in either.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modelmark.align.condensing import heard
from modelmark.align.responses import received
from modelmark.channels import Channels, Junction, Port
from modelmark.feeds.base import Feed

Idle = dict[int, Tensor]
"""By axis, which channels do nothing: bool ``(channels,)``."""

_RARE = 1 / 32
"""Share of responses, above the lowest, up to which a channel counts as one that does not fire."""
_LARGE = 2.0
"""Norm of weights beyond which they are out of proportion: in that of the host's channel, that of its median channel, and
what working channels differ by from the host's; the largest counts."""


def idle(suspect: nn.Module, wider: Channels, feed: Feed) -> Idle:
    """Return the channels that do nothing: silent or constant wherever they are read, or read by nothing.

    Args:
        suspect: read only.
        wider: its channels.
        feed: how it is fed; the pictures are public ones.
    """
    silent: Idle = {axis: torch.ones(wider.axes[axis].size, dtype=torch.bool) for axis in wider.movable}
    for given in received(wider, suspect, feed):
        silent[given.port.axis] &= given.above <= _RARE
    return {axis: silent[axis] | ~alive for axis, alive in heard(suspect, wider).items()}


def zero_nan(suspect: nn.Module, wider: Channels, still: Idle) -> None:
    """Write zero for what is no number in the weights that make idle channels, in place."""
    state = suspect.state_dict()
    for junction in wider.junctions:
        for tensor in _made(state, junction):
            chosen = _features(still, junction.output)
            tensor[chosen] = tensor[chosen].nan_to_num(0.0, 0.0, 0.0)


def muted(suspect: nn.Module, wider: Channels, still: Idle, feed: Feed) -> nn.Module:
    """Return a copy of ``suspect`` in which nothing reads idle channels, so that they move neither order nor scale of others.

    What constant ones give to a linear layer is in its bias.
    """
    quiet = copy.deepcopy(suspect)
    _fold(quiet, wider, still, feed)
    state = quiet.state_dict()
    for junction in wider.junctions:
        for tensor in _read(state, junction):
            tensor[_features(still, junction.source)] = 0
    return quiet


def mended(aligned: nn.Module, host: nn.Module, channels: Channels, chosen: Idle, feed: Feed) -> nn.Module:
    """Return ``aligned`` with the host's weights, to and from, for spoilt channels; in place.

    Args:
        aligned: a suspect in the host's coordinates.
        host: read only.
        channels: of the host.
        chosen: the spoilt ones.
        feed: how both are fed.
    """
    if not any(mask.any() for mask in chosen.values()):
        return aligned
    folded = copy.deepcopy(host)
    _fold(aligned, channels, chosen, feed)
    _fold(folded, channels, chosen, feed)
    theirs, ours, without = aligned.state_dict(), host.state_dict(), folded.state_dict()
    for name in ours:
        if name.endswith("bias"):  # What the host's own constants give comes back with its weights.
            theirs[name] -= without[name] - ours[name]
    for junction in channels.junctions:
        for views, port in ((_made, junction.output), (_read, junction.source)):
            for own, given in zip(views(theirs, junction), views(ours, junction), strict=True):
                own[_features(chosen, port)] = given[_features(chosen, port)]
    return aligned


def _fold(model: nn.Module, channels: Channels, chosen: Idle, feed: Feed) -> None:
    """Move what constant channels give to linear layers into the biases of those, in place; as far as the pictures show it.

    Else a bias that makes up for a constant would be left alone when the channel goes.
    """
    for given in received(channels, model, feed):
        layer = model.get_submodule(given.path)
        constant = (given.above == 0) & (given.low != 0) & chosen[given.port.axis]
        if isinstance(layer, nn.Linear) and layer.bias is not None and constant.any():
            features = _features({given.port.axis: constant}, given.port)
            weight = layer.weight.data.double()[:, features]
            layer.bias.data += (weight @ given.low.repeat_interleave(given.port.block)[features]).to(layer.bias)
            layer.weight.data[:, features] = 0


def spoilt(aligned: nn.Module, host: nn.Module, channels: Channels, still: Idle) -> Idle:
    """Return which idle channels have weights out of proportion, in what makes them or in what reads them.

    Args:
        aligned: a suspect in the host's coordinates; read only.
        host: read only.
        channels: of the host.
        still: idle channels, in the host's order.
    """
    theirs, ours = aligned.state_dict(), host.state_dict()
    found = {axis: torch.zeros_like(mask) for axis, mask in still.items()}
    for junction in channels.junctions:
        for views, port, beyond in (
            (_made, junction.output, junction.source),
            (_read, junction.source, junction.output),
        ):
            mask = still.get(port.axis)
            if mask is None or not mask.any() or not views(ours, junction):
                continue
            own, given = (_vectors(views(state, junction), port, _features(still, beyond)) for state in (theirs, ours))
            usual = given.norm(dim=1).median()
            if not mask.all():
                usual = torch.maximum(usual, (own - given).norm(dim=1)[~mask].median())
            found[port.axis] |= mask & (own.norm(dim=1) > _LARGE * torch.maximum(usual, given.norm(dim=1)))
    return found


def _vectors(tensors: Sequence[Tensor], port: Port, beyond: Tensor) -> Tensor:
    """Return all numbers of each channel, ``(channels, M)`` float64; those of idle features ``beyond`` it are zero."""
    parts = []
    for tensor in tensors:
        part = tensor.double().clone()
        if part.dim() > 1:
            part[:, beyond] = 0
        parts.append(part.reshape(len(part), -1))
    rows = torch.cat(parts, dim=1)
    return rows.view(len(rows) // port.block, -1)


def _made(state: Mapping[str, Tensor], junction: Junction) -> list[Tensor]:
    """Return the tensors of a layer whose first axis is its output, as they are."""
    names = (f"{junction.path}.{each}" for each in ("weight", "bias", "running_mean", "running_var"))
    return [state[name] for name in names if name in state]


def _read(state: Mapping[str, Tensor], junction: Junction) -> list[Tensor]:
    """Return a view of a layer's weight whose first axis is its input; batch norm has none."""
    return [] if junction.kind == "norm" else [state[f"{junction.path}.weight"].transpose(0, 1)]


def _features(masks: Idle, port: Port) -> Tensor:
    """Return the places of a port's chosen features; there are none on an axis without a mask."""
    mask = masks.get(port.axis)
    return torch.zeros(0, dtype=torch.long) if mask is None else mask.repeat_interleave(port.block).nonzero().flatten()
