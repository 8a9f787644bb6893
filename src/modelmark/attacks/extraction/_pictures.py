"""Pictures of nobody's making: drawn by rule, for queries and pretexts where no other data can be had.

Five families, uint8 ``(N, C, H, W)`` of any size. Each picture is a mask in ``[0, 1]`` between two random colours, the
mask from a few random numbers: curves, bumps, gratings, boxes, clouds.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from modelmark.errors import UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, of_pictures

_CHUNK = 256


def pictures(feed: Feed, count: int, *, family: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return ``count`` pictures of the interface's shape, uint8, and the number of each one's family, int64 ``(count,)``.

    Args:
        feed: gives the shape, ``(C, H, W)``.
        count: how many.
        family: a name in ``FAMILIES``, or ``mixed`` for all of them in turn.
        seed: of everything random.

    Raises:
        UsageError: inputs are no pictures.
    """
    if len(feed.input_shape) != 3:
        raise UsageError(f"expected inputs (channels, height, width) to draw pictures, got {feed.input_shape}")
    of_pictures(feed)
    names = list(FAMILIES) if family == "mixed" else [family]
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = feed.input_shape
    v, u = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    kinds = torch.arange(count) % len(names)
    images = torch.empty(count, channels, height, width, dtype=torch.uint8)
    for number, name in enumerate(names):
        where = torch.nonzero(kinds == number).flatten()
        for part in where.split(_CHUNK):
            mask = FAMILIES[name](len(part), u, v, generator).clamp(0, 1)[:, None]
            ground, figure = torch.rand(2, len(part), channels, 1, 1, generator=generator)
            ground, figure = ground * 0.5, 0.5 + figure * 0.5
            swapped = torch.rand(len(part), 1, 1, 1, generator=generator) < _NEGATIVES
            ground, figure = torch.where(swapped, figure, ground), torch.where(swapped, ground, figure)
            images[part] = ((ground + (figure - ground) * mask) * FULL_SCALE).round().to(torch.uint8)
    return images, kinds


_NEGATIVES = 0.25


def _curves(count: int, u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Draw two or three quadratic Bézier curves, as pen strokes."""
    t = torch.linspace(0, 1, 16)[:, None]
    weights = torch.cat([(1 - t) ** 2, 2 * t * (1 - t), t**2], dim=1)
    knots = torch.rand(count, 3, 3, 2, generator=generator) * 1.1 - 0.05
    knots[:, 1:, 0] = knots[:, :-1, 2].clone()  # each starts where the last one ended
    last = torch.rand(count, generator=generator) < 0.5
    knots[last, 2] = knots[last, 1]
    points = (weights @ knots).flatten(1, 2)
    squared = (points[:, :, 0, None, None] - u) ** 2 + (points[:, :, 1, None, None] - v) ** 2
    thick = 0.04 + 0.06 * torch.rand(count, 1, 1, generator=generator)
    soft = 1.0 / u.shape[-1]
    return 1 - (squared.amin(dim=1).sqrt() - thick) / soft


def _bumps(count: int, u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the sum of five Gaussian bumps and dents."""
    x, y, size, sign = torch.rand(4, count, 5, 1, 1, generator=generator)
    height = torch.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * (0.05 + 0.2 * size) ** 2))
    return 0.2 + (torch.where(sign < 0.7, 1.0, -1.0) * height).sum(dim=1)


def _gratings(count: int, u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the product of two sinusoids of random direction."""
    angle, frequency, phase = torch.rand(3, count, 2, 1, 1, generator=generator)
    along = u * torch.cos(angle * math.pi) + v * torch.sin(angle * math.pi)
    waves = 0.5 + 0.5 * torch.sin(2 * math.pi * ((0.5 + 3 * frequency) * along + phase))
    return waves.prod(dim=1).sqrt()


def _boxes(count: int, u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Draw four boxes of random grey, one over another."""
    mask = torch.zeros(count, *u.shape)
    for _ in range(4):
        x, y, wide, high, grey = torch.rand(5, count, 1, 1, generator=generator)
        inside = ((u - x).abs() < 0.05 + 0.3 * wide) & ((v - y).abs() < 0.05 + 0.3 * high)
        mask = torch.where(inside, grey, mask)
    return mask


def _clouds(count: int, u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Draw coarse noise made smooth."""
    coarse = torch.rand(count, 1, 4, 4, generator=generator)
    fine = torch.rand(count, 1, 8, 8, generator=generator)
    smooth = [interpolate(noise, size=u.shape, mode="bilinear", align_corners=False)[:, 0] for noise in (coarse, fine)]
    return 0.5 + 2 * (smooth[0] - 0.5) + 0.5 * (smooth[1] - 0.5)


Draw = Callable[[int, Tensor, Tensor, torch.Generator], Tensor]

FAMILIES: dict[str, Draw] = {
    "curves": _curves,
    "bumps": _bumps,
    "gratings": _gratings,
    "boxes": _boxes,
    "clouds": _clouds,
}
