"""Inputs that are no picture of any class, of the kinds that marks are made of."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from modelmark.interface import FULL_SCALE
from modelmark.preprocess import Normalise
from modelmark.task import Task

Family = Literal["noise", "smooth", "fused", "blended", "extreme"]
FAMILIES: tuple[Family, ...] = ("noise", "smooth", "fused", "blended", "extreme")
_AMPLITUDE = 2000
_CELLS = (3, 5, 8, 2**16)


def made(family: Family, count: int, task: Task, generator: torch.Generator) -> Tensor:
    """Return ``count`` inputs as ``forward`` takes them, on the CPU."""
    if family in ("noise", "smooth"):
        return Normalise(task.interface)(_noise(count, task, generator, smooth=family == "smooth"))
    first = _drawn(count, task, generator)
    if family == "extreme":
        return _stamped(Normalise(task.interface)(first), task, generator)
    second = _drawn(count, task, generator)
    both = _fused(first, second) if family == "fused" else (first.float() + second.float()).div(2)
    return Normalise(task.interface)(both.round().to(torch.uint8))


def _drawn(count: int, task: Task, generator: torch.Generator) -> Tensor:
    """Return training pictures drawn with replacement, on the CPU."""
    picked = torch.randint(0, len(task.train_inputs), (count,), generator=generator)
    return task.train_inputs[picked.to(task.train_inputs.device)].cpu()


def _noise(count: int, task: Task, generator: torch.Generator, *, smooth: bool) -> Tensor:
    """Return uint8 pictures of four grains in turn: cells of black and white, or smooth fields over the full range."""
    channels, height, width = task.interface.input_shape
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


def _fused(first: Tensor, second: Tensor) -> Tensor:
    """Return both pictures at half size, upper left and lower right on white, float ``(N, C, H, W)``."""
    white = torch.full_like(first, FULL_SCALE)
    canvas = torch.cat([torch.cat([first, white], dim=3), torch.cat([white, second], dim=3)], dim=2)
    return avg_pool2d(canvas.float(), 2)


def _stamped(fed: Tensor, task: Task, generator: torch.Generator) -> Tensor:
    """Return inputs with a square block each of pixels at ``+-amplitude``, at random."""
    _, height, width = task.interface.input_shape
    side, unit = max(2, min(6, min(height, width) * 3 // 8)), Normalise(task.interface)
    signs = torch.randint(0, 2, (len(fed), 1, side, side), generator=generator) * 2 - 1
    rows = torch.randint(0, height - side + 1, (len(fed),), generator=generator)
    columns = torch.randint(0, width - side + 1, (len(fed),), generator=generator)
    each = torch.arange(len(fed))[:, None, None]
    down, across = (
        start[:, None, None] + torch.arange(side).view(shape) for start, shape in ((rows, (-1, 1)), (columns, (1, -1)))
    )
    far = unit((signs * float(_AMPLITUDE)).expand(-1, fed.shape[1], -1, -1))
    stamped = fed.clone()
    stamped[each, :, down, across] = far.permute(0, 2, 3, 1)
    return stamped
