"""Pictures in two quadrants and patterns of pixels, drawn by anybody: what forgers claim and detectors ask."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise

AMPLITUDE = 2000
"""Of a pattern, on the scale of 0 to 255, as in Li et al. 2019, arXiv 1910.01226."""


def side_by_side(first: Tensor, second: Tensor) -> Tensor:
    """Return both uint8 pictures at half size, upper left and lower right on white, uint8 ``(N, C, H, W)``."""
    white = torch.full_like(first, FULL_SCALE)
    canvas = torch.cat([torch.cat([first, white], dim=3), torch.cat([white, second], dim=3)], dim=2)
    return avg_pool2d(canvas.float(), 2).round().to(torch.uint8)


def default_side(feed: Feed) -> int:
    """Return how many pixels a pattern has along a side: three eighths of the shorter one, from 2 to 6."""
    return max(2, min(6, min(feed.input_shape[1:]) * 3 // 8))


def patterns(count: int, side: int, feed: Feed, generator: torch.Generator) -> Tensor:
    """Return random patterns of +1 and -1 at random places, 0 elsewhere, int8 ``(count, height, width)``."""
    _, height, width = feed.input_shape
    planes = torch.zeros(count, height, width, dtype=torch.int8)
    signs = torch.randint(0, 2, (count, side, side), dtype=torch.int8, generator=generator) * 2 - 1
    along = torch.arange(side)
    rows = torch.randint(0, height - side + 1, (count,), generator=generator)[:, None, None] + along[:, None]
    columns = torch.randint(0, width - side + 1, (count,), generator=generator)[:, None, None] + along
    planes[torch.arange(count)[:, None, None], rows, columns] = signs
    return planes


def stamped(fed: Tensor, planes: Tensor, feed: Feed) -> Tensor:
    """Return inputs as ``forward`` takes them with ``+-AMPLITUDE`` where a plane ``(H, W)`` or ``(N, H, W)`` says so."""
    normalise, shape = Normalise(feed), (1, feed.input_shape[0], 1, 1)
    high, low = (normalise(torch.full(shape, sign * AMPLITUDE, dtype=torch.float32)) for sign in (1, -1))
    planes = planes.expand(len(fed), *planes.shape[-2:])[:, None]
    return torch.where(planes > 0, high, torch.where(planes < 0, low, fed))
