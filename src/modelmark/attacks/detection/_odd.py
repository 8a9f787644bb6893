"""Inputs that are no picture of any class, of the kinds that marks are made of."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from modelmark.attacks._tools.rendering import default_side, patterns, side_by_side, stamped
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.training.task import Task

Family = Literal["noise", "smooth", "fused", "blended", "extreme"]
FAMILIES: tuple[Family, ...] = ("noise", "smooth", "fused", "blended", "extreme")
_CELLS = (3, 5, 8, 2**16)


def made(family: Family, count: int, task: Task, generator: torch.Generator) -> Tensor:
    """Return ``count`` inputs as ``forward`` takes them, on the CPU."""
    normalise = Normalise(task.feed)
    if family in ("noise", "smooth"):
        return normalise(_noise(count, task, generator, smooth=family == "smooth"))
    first = _drawn(count, task, generator)
    if family == "extreme":
        planes = patterns(count, default_side(task.feed), task.feed, generator)
        fed = normalise(first)
        return fed.copy_(stamped(fed, planes, task.feed))  # in its own memory format, by which convolutions round
    second = _drawn(count, task, generator)
    if family == "fused":
        return normalise(side_by_side(first, second))
    return normalise((first.float() + second.float()).div(2).round().to(torch.uint8))


def _drawn(count: int, task: Task, generator: torch.Generator) -> Tensor:
    """Return training pictures drawn with replacement, on the CPU."""
    picked = torch.randint(0, len(task.train_inputs), (count,), generator=generator)
    return task.train_inputs[picked.to(task.train_inputs.device)].cpu()


def _noise(count: int, task: Task, generator: torch.Generator, *, smooth: bool) -> Tensor:
    """Return uint8 pictures of four grains in turn: cells of black and white, or smooth fields over the full range."""
    channels, height, width = task.feed.input_shape
    found = []
    for part, cells in zip(torch.arange(count).chunk(4), _CELLS, strict=False):
        size = min(height, 8 if smooth else cells, cells), min(width, 8 if smooth else cells, cells)
        values = torch.rand(len(part), channels, *size, generator=generator)
        if smooth:
            values = interpolate(values, (height, width), mode="bicubic", align_corners=False)
            low, high = values.amin(dim=(1, 2, 3), keepdim=True), values.amax(dim=(1, 2, 3), keepdim=True)
            values = (values - low) / (high - low).clamp_min(1e-6)
        else:
            values = interpolate(values.round(), (height, width), mode="nearest")
        found.append((values * FULL_SCALE).round().to(torch.uint8))
    return torch.cat(found)
