"""A suspect without the channels that were added to it: copies are made one again, and idle channels are taken out."""

import copy

import torch
from torch import Tensor, nn

from modelmark.channels import Channels, Junction, resized, trace, transformed

_SAME = 1e-6
"""One less the cosine of incoming weights, below which channels are copies."""
_CANCELLED = 1e-6
"""Norm of a sum of outgoing weights relative to the sum of norms, below which the sum counts as zero."""


def condensed(suspect: nn.Module, channels: Channels) -> nn.Module:
    """Return ``suspect`` with fewer channels where it has more than the host, though never fewer, and the same function.

    Channels whose incoming weights are multiples of one another are copies: one gets the outgoing weights of all. A
    channel that was split is whole thereafter, and one of a group whose outgoing weights cancel is idle. Idle are channels
    from which no path leads to the output; they are taken out, unless an axis has more of them than the host lacks, where
    the choice is left to the matching.

    Source: the additions undone are those of Yan et al. (USENIX Security 2023). Departs: copies are only looked for where
    one convolution or linear layer, with at most one batch norm, makes the channels.

    Args:
        suspect: read only.
        channels: of the host; the same graph.
    """
    suspect = copy.deepcopy(suspect)
    while True:
        wider = trace(suspect)
        spare = {axis: wider.axes[axis].size - channels.axes[axis].size for axis in channels.movable}
        for axis in channels.movable:
            _merge(suspect, wider, axis, most=spare[axis])
        orders = {}
        for axis, alive in heard(suspect, wider).items():
            if 0 < int((~alive).sum()) <= spare[axis]:
                orders[axis] = alive.nonzero().flatten()
        if not orders:
            return suspect
        suspect = resized(suspect, transformed(suspect, wider, orders=orders))


def heard(suspect: nn.Module, wider: Channels) -> dict[int, Tensor]:
    """Return for every axis that may be reordered which channels the output depends on, bool ``(channels,)``."""
    alive = {index: torch.full((axis.size,), axis.fixed) for index, axis in enumerate(wider.axes)}
    layers = [each for each in wider.junctions if each.kind != "norm"]
    links = [_links(suspect, layer) for layer in layers]
    before = -1
    while before != (before := sum(int(each.sum()) for each in alive.values())):
        for layer, link in zip(reversed(layers), reversed(links), strict=True):
            alive[layer.source.axis] = alive[layer.source.axis] | link[alive[layer.output.axis]].any(dim=0)
    return {axis: alive[axis] for axis in wider.movable}


def _links(suspect: nn.Module, layer: Junction) -> Tensor:
    """Return which outputs of a layer have a weight for which channels, bool ``(outputs, channels)``."""
    weight = suspect.get_parameter(f"{layer.path}.weight").detach()
    return weight.ne(0).reshape(len(weight), -1, layer.source.block * weight[0, 0].numel()).any(dim=2)


def _merge(suspect: nn.Module, wider: Channels, axis: int, *, most: int) -> None:
    """Give one of several copies the outgoing weights of all, the others none, in place."""
    readers = [each for each in wider.junctions if each.kind != "norm" and each.source.axis == axis]
    copies = _copies(suspect, wider, axis, readers)[:most] if most > 0 else []
    for reader in readers if copies else ():
        columns = _outgoing(suspect, reader)
        gross = columns.flatten(1).norm(dim=1)
        for original, extra, factor in copies:
            columns[original] += factor * columns[extra]
            gross[original] += abs(factor) * gross[extra]
            columns[extra] = 0
        columns[columns.flatten(1).norm(dim=1) <= _CANCELLED * gross] = 0
        weight = suspect.get_parameter(f"{reader.path}.weight")
        blocks = columns.movedim(2, 1).flatten(0, 1).transpose(0, 1)
        weight.data = blocks.reshape(weight.shape).to(weight.dtype)


def _outgoing(suspect: nn.Module, reader: Junction) -> Tensor:
    """Return what each channel sends to each output of a layer, ``(channels, outputs, block, kernel)`` float64."""
    weight = suspect.get_parameter(f"{reader.path}.weight").detach().double()
    blocks = weight.reshape(len(weight), -1, reader.source.block, weight[0, 0].numel())
    return blocks.transpose(0, 1).clone()


def _copies(suspect: nn.Module, wider: Channels, axis: int, readers: list[Junction]) -> list[tuple[int, int, float]]:
    """Return (channel, later copy, factor of the copy) wherever the copy is the channel times a factor its gauge allows."""
    incoming = _incoming(suspect, wider, axis, readers)
    if incoming is None:
        return []
    gauge = wider.gauges[readers[0].source.gauge]
    sizes = incoming.norm(dim=1)
    cosines = nn.functional.normalize(incoming) @ nn.functional.normalize(incoming).T
    same = (cosines.abs() if gauge.signed else cosines) > 1 - _SAME
    if gauge.fixed:
        same &= (sizes[:, None] / sizes - 1).abs() < _SAME
    found = []
    taken: set[int] = set()
    for original, extra in same.triu(1).nonzero().tolist():
        if not {original, extra} & taken:
            factor = float(cosines[original, extra].sign() * sizes[extra] / sizes[original])
            found.append((original, extra, factor))
            taken.add(extra)
    return found


def _incoming(suspect: nn.Module, wider: Channels, axis: int, readers: list[Junction]) -> Tensor | None:
    """Return the affine map that makes each channel before its activation, ``(channels, M + 1)``; None if several do."""
    makers = [each for each in wider.junctions if each.output.axis == axis]
    layer, *norms = makers
    plain = len(norms) == 0 or (len(norms) == 1 and norms[0].kind == "norm" and wider.gauges[layer.output.gauge].signed)
    if layer.kind == "norm" or not plain or {each.source.gauge for each in readers} != {makers[-1].output.gauge}:
        return None
    weight = suspect.get_parameter(f"{layer.path}.weight").detach().double().flatten(1)
    state = suspect.state_dict()
    shift = state[f"{layer.path}.bias"].double() if f"{layer.path}.bias" in state else weight.new_zeros(len(weight))
    for norm in norms:
        module = suspect.get_submodule(norm.path)
        assert isinstance(module, nn.modules.batchnorm._BatchNorm)
        mean, variance = (state[f"{norm.path}.running_{name}"].double() for name in ("mean", "var"))
        slope = module.weight.detach().double() / (variance + module.eps).sqrt()
        weight, shift = weight * slope[:, None], (shift - mean) * slope + module.bias.detach().double()
    return torch.cat([weight, shift[:, None]], dim=1)
