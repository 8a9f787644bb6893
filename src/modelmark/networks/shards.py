"""Filters of which only a part lies in this process: a ``DTensor``, as FSDP2 and tensor parallelism cut weights.

What is asked for is a sum over filters or a few of them. Each process adds what it holds, so that one vector travels and not the
weight. Every process of the mesh must ask, or the others wait. A whole tensor is read as it lies.
"""

import math
import sys
from typing import Any

import torch
from torch import Tensor, nn

from modelmark.errors import MismatchError
from modelmark.suspects.places import Layout


def is_cut(tensor: Tensor) -> bool:
    """Return whether a tensor is a ``DTensor``."""
    module = sys.modules.get("torch.distributed.tensor")  # whoever made one has imported it
    return module is not None and isinstance(tensor, module.DTensor)


def settle(model: nn.Module) -> None:
    """Have FSDP2 put its pieces in place of weights that it gathered for a pass and still keeps whole."""
    module = sys.modules.get("torch.distributed.fsdp")
    if module is None:
        return
    for part in model.modules():
        if isinstance(part, module.FSDPModule):
            part.reshard()


@torch.no_grad()
def mean(weight: Tensor, layout: Layout) -> Tensor:
    """Return the mean over all filters, ``(M,)``, the same in every process; of types below float32 as float32.

    Raises:
        MismatchError: the weight is cut in a way that is not known.
    """
    over = _filter_axes(layout, weight.dim())
    wide = weight.dtype if weight.dtype == torch.float64 else torch.float32
    if not is_cut(weight):
        return weight.mean(dim=over, dtype=wide).flatten()
    piece = _Piece(weight, layout)
    whole = torch.zeros(piece.kernel, dtype=wide, device=piece.local.device)
    piece.of(whole).copy_(piece.local.sum(dim=over, dtype=wide))
    return piece.summed(whole).flatten() / piece.filters


@torch.no_grad()
def add(to: Tensor, filters: Tensor, layout: Layout) -> None:
    """Add one filter to every filter of a weight's gradient, in place, where it lies.

    Args:
        to: of the weight's shape.
        filters: what is added to each filter, ``(M,)``.
        layout: how the weight holds its filters.
    """
    cut = is_cut(to)
    piece = _Piece(to, layout) if cut else None
    added = filters.reshape(_kernel(to.shape, layout))
    added = piece.of(added) if piece is not None else added
    local = piece.local if piece is not None else to
    for axis in _filter_axes(layout, to.dim()):
        added = added.unsqueeze(axis)
    local.add_(added.to(local.dtype))


@torch.no_grad()
def rows(weight: Tensor, layout: Layout, part: slice) -> Tensor:
    """Return some filters of a cut weight, whole, ``(filters, M)``: one process has each number, and the sum has them all."""
    piece = _Piece(weight, layout)
    wide = weight.dtype if weight.dtype == torch.float64 else torch.float32
    found = torch.zeros(part.stop - part.start, *piece.kernel, dtype=wide, device=piece.local.device)
    there, here = piece.overlap(part)
    piece.of(found[there]).copy_(piece.rows[here])
    return piece.summed(found).flatten(1).to(weight.dtype)


@torch.no_grad()
def put(weight: Tensor, layout: Layout, part: slice, values: Tensor) -> None:
    """Write some filters of a cut weight, ``(filters, M)``: each process the numbers that it holds."""
    piece = _Piece(weight, layout)
    there, here = piece.overlap(part)
    whole = values.reshape(-1, *piece.kernel)[there]
    if not layout.stacked:
        piece.rows[here] = piece.of(whole).to(piece.local)
        return
    changed = piece.rows.clone()  # filters of several axes are a copy
    changed[here] = piece.of(whole).to(changed)
    ordered = piece.local.permute(layout.order(weight.dim()))
    ordered.copy_(changed.reshape(ordered.shape))


class _Piece:
    """What this process holds of a weight.

    Args:
        weight: a ``DTensor``.
        layout: how it holds its filters.
    """

    def __init__(self, weight: Any, layout: Layout) -> None:
        from torch.distributed.tensor import Replicate, Shard

        self._mesh, self._layout = weight.device_mesh, layout
        self.local: Tensor = weight.to_local()
        offsets, sizes, self._cuts = [0] * weight.dim(), list(weight.shape), []
        place = self._mesh.get_coordinate()
        over = _filter_axes(layout, weight.dim())
        for number, placement in enumerate(weight.placements):
            if isinstance(placement, Replicate):
                continue
            if type(placement) is not Shard or (len(over) > 1 and placement.dim in over[1:]):
                raise MismatchError(f"expected a weight in pieces along its axes, got {placement}")
            axis, count = placement.dim, self._mesh.size(number)
            each = -(-sizes[axis] // count)  # the last pieces may be smaller, or empty
            start = min(place[number] * each, sizes[axis])
            offsets[axis], sizes[axis] = offsets[axis] + start, min(each, sizes[axis] - start)
            self._cuts.append(number)
        if tuple(sizes) != tuple(self.local.shape):
            raise MismatchError(
                f"expected a piece of shape {tuple(sizes)} in this process, got {tuple(self.local.shape)}"
            )
        self.filters = math.prod(weight.shape[axis] for axis in over)
        self.kernel = _kernel(weight.shape, layout)
        self._first = offsets[over[0]] * math.prod(weight.shape[axis] for axis in over[1:])
        self._within = [(offsets[axis], sizes[axis]) for axis in range(weight.dim()) if axis not in over]

    @property
    def rows(self) -> Tensor:
        """The piece with its filters first, ``(filters here, *kernel here)``; a view, unless filters have several axes."""
        ordered = self.local.permute(self._layout.order(self.local.dim()))
        return ordered.flatten(0, self._layout.stacked) if self._layout.stacked else ordered

    def of(self, whole: Tensor) -> Tensor:
        """Return the view of a filter, or of several, on the numbers that this process holds."""
        leading = whole.dim() - len(self._within)
        for axis, (start, length) in enumerate(self._within, leading):
            whole = whole.narrow(axis, start, length)
        return whole

    def overlap(self, part: slice) -> tuple[slice, slice]:
        """Return which of some filters lie here, counted among those and among the piece's own."""
        start = max(part.start, self._first)
        stop = max(start, min(part.stop, self._first + len(self.rows)))
        if stop == start:
            return slice(0, 0), slice(0, 0)
        return slice(start - part.start, stop - part.start), slice(start - self._first, stop - self._first)

    def summed(self, whole: Tensor) -> Tensor:
        """Return the sum over all processes that hold different pieces."""
        device = whole.device
        whole = whole.to(self._mesh.device_type)
        for number in self._cuts:
            torch.distributed.all_reduce(whole, group=self._mesh.get_group(number))
        return whole.to(device)


def _filter_axes(layout: Layout, dimensions: int) -> tuple[int, ...]:
    return layout.order(dimensions)[: layout.stacked + 1]


def _kernel(shape: torch.Size, layout: Layout) -> tuple[int, ...]:
    return layout.size(shape)[1]
