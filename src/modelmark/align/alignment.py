"""``align``: a suspect in the coordinates of its host."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelmark.align import matching, mending
from modelmark.align.condensing import condensed
from modelmark.align.filling import filled
from modelmark.align.filters import filters, returning
from modelmark.align.gauges import fixed_scales
from modelmark.align.responses import responses
from modelmark.channels import Channels, resized, trace, transformed
from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.base import Feed
from modelmark.networks.layers import unwrapped

_ROUNDS = 5
"""Of matching again by the weights of matched neighbours; two are usual."""


def align(suspect: nn.Module, host: nn.Module, feed: Feed) -> nn.Module:
    """Return a copy of ``host`` that computes the suspect's function in the host's coordinates, on the CPU.

    The host must be the unmarked model that the suspect's owner committed before the draw: what the suspect was fine-tuned
    from, or a twin trained from the same initial weights. It must not be the marked model. That one depends on the
    message, and the best match between it and any network carries the message over into the reading; against an unmarked
    host the reading of an unrelated suspect stays binomial. ``committed`` checks which model is given.

    Channels of the suspect that match none of the host's are left out; those of the host that match none are silent.

    Args:
        suspect: of the host's architecture, or wider, or narrower: see ``resized``.
        host: trained, unmarked.
        feed: how both are fed; the pictures compared depend on nothing else.

    Raises:
        MismatchError: the suspect has another architecture.
        UsageError: the channels cannot be followed.
        SuspectError: the suspect's weights are not finite.
    """
    suspect, host = (copy.deepcopy(unwrapped(model)).cpu().float().eval() for model in (suspect, host))
    channels, wider = trace(host), trace(suspect)
    _require_alike(channels, wider, host, suspect)
    suspect = condensed(filled(suspect, channels), channels)
    wider = trace(suspect)
    still = mending.idle(suspect, wider, feed)
    mending.zero_nan(suspect, wider, still)
    if not all(tensor.isfinite().all() for tensor in suspect.state_dict().values()):
        raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
    orders, scales = _found(channels, host, wider, suspect, feed)
    aligned, spoilt = _put(channels, host, wider, suspect, orders, scales, still)
    if any(mask.any() for mask in spoilt.values()):  # their weights may have moved orders and scales of others
        quiet = mending.muted(suspect, wider, still, feed)
        orders, scales = _found(channels, host, wider, quiet, feed)
        scales = _rescaled(
            channels, mending.muted(host, channels, _ours(still, orders), feed), wider, quiet, orders, scales
        )
        aligned, spoilt = _put(channels, host, wider, suspect, orders, scales, still)
    return mending.mended(aligned, host, channels, spoilt, feed).eval()


def _put(
    channels: Channels,
    host: nn.Module,
    wider: Channels,
    suspect: nn.Module,
    orders: dict[int, Tensor],
    scales: dict[int, Tensor],
    still: mending.Idle,
) -> tuple[nn.Module, mending.Idle]:
    """Return ``suspect`` in the host's coordinates, and which of its idle channels are spoilt."""
    aligned = resized(host, transformed(suspect, wider, orders=orders, scales=scales))
    return aligned, mending.spoilt(aligned, host, channels, _ours(still, orders))


def _rescaled(
    channels: Channels,
    host: nn.Module,
    wider: Channels,
    suspect: nn.Module,
    orders: dict[int, Tensor],
    scales: dict[int, Tensor],
) -> dict[int, Tensor]:
    """Return the scales in which a suspect and a host are compared of which the same channels are muted; signs stay."""
    ordered = resized(host, transformed(suspect, wider, orders=orders))
    found = fixed_scales(channels, host, ordered, near=scales)
    return {gauge: scale * scales[gauge].sign() for gauge, scale in found.items()}


def _ours(still: mending.Idle, orders: Mapping[int, Tensor]) -> mending.Idle:
    """Return masks of the suspect's channels in the host's order."""
    return {axis: mask[orders[axis]] for axis, mask in still.items()}


def _found(
    channels: Channels, host: nn.Module, wider: Channels, suspect: nn.Module, feed: Feed
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Return orders and scales, by responses first and then with the weights of matched neighbours too."""
    alike = responses(channels, host, suspect, feed)
    orders, scales = _coordinates(channels, host, wider, suspect, alike)
    for _ in range(_ROUNDS):
        weighed = alike + filters(channels, host, wider, suspect, orders=orders, scales=scales)
        before = orders, scales
        orders, scales = _coordinates(channels, host, wider, suspect, weighed, near=scales)
        if all(map(_equal, before, (orders, scales))):
            break
    return orders, scales


def _coordinates(
    channels: Channels,
    host: nn.Module,
    wider: Channels,
    suspect: nn.Module,
    likeness: matching.Likeness,
    near: Mapping[int, Tensor] | None = None,
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Return the orders by axis and the scales by gauge that put ``suspect`` into the host's coordinates."""
    orders = matching.orders(channels, likeness)
    ordered = resized(host, transformed(suspect, wider, orders=orders))
    scales = fixed_scales(channels, host, ordered, near=near)
    signs = matching.signs(channels, likeness, orders, returning(channels, host, ordered.state_dict(), scales))
    return orders, scales | {gauge: scales[gauge] * sign for gauge, sign in signs.items()}


def _equal(a: Mapping[int, Tensor], b: Mapping[int, Tensor]) -> bool:
    return all(torch.allclose(a[index], b[index], rtol=1e-3) for index in a)


def _require_alike(channels: Channels, wider: Channels, host: nn.Module, suspect: nn.Module) -> None:
    """Raise MismatchError unless the graphs are the same, and the input's and output's channels as many."""
    if channels.junctions != wider.junctions or channels.gauges != wider.gauges:
        pairs = zip(channels.junctions, wider.junctions, strict=False)
        where = next((f" at {ours.path}" for ours, theirs in pairs if ours != theirs), "")
        raise MismatchError(f"expected a suspect of the host's architecture, got another{where}")
    for junction in channels.junctions:
        kernels = [tuple(model.get_parameter(f"{junction.path}.weight").shape[2:]) for model in (host, suspect)]
        if kernels[0] != kernels[1]:
            raise MismatchError(f"expected kernels of {kernels[0]} in {junction.path}, got {kernels[1]}")
        for port in (junction.source, junction.output):
            ours, theirs = channels.axes[port.axis], wider.axes[port.axis]
            if ours.fixed and theirs.size != ours.size:
                raise MismatchError(f"expected {ours.size} channels at {junction.path}, got {theirs.size}")
