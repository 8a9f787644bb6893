"""Between what ``forward`` takes and pictures in [0, 1], where filters work; and the API that asks about filtered pictures."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from modelmark.attacks.results import Answer
from modelmark.errors import UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, UNIT, of_pictures
from modelmark.feeds.tensors import Normalise

Change: TypeAlias = Callable[[Tensor], Tensor]
"""From pictures to pictures, float32 ``(N, C, H, W)`` in [0, 1]; what leaves that range is clamped."""


def shown(inputs: Tensor, feed: Feed) -> Tensor:
    """Return inputs as ``forward`` takes them with the preprocessing undone: 0 black, 1 white; not clamped."""
    feed, view = of_pictures(feed), (-1,) + (1,) * (len(feed.input_shape) - 1)
    mean = torch.tensor(feed.mean, dtype=torch.float32, device=inputs.device).view(view) / UNIT
    std = torch.tensor(feed.std, dtype=torch.float32, device=inputs.device).view(view) / UNIT
    return torch.addcmul(mean, inputs, std)


def fed(pictures: Tensor, feed: Feed) -> Tensor:
    """Return pictures on the scale of 0 to 1 as ``forward`` takes them."""
    return Normalise(feed)(pictures * FULL_SCALE)


def require_pictures(feed: Feed, name: str, hint: str = "") -> None:
    """Raise UsageError unless inputs are pictures."""
    if len(feed.input_shape) != 3:
        raise UsageError(
            f"expected pictures (channels, height, width) for {name}, got inputs of shape {feed.input_shape}",
            hint=hint,
        )


def filtered(answer: Answer, feed: Feed, change: Change) -> Answer:
    """Return the API that answers about ``change`` of each picture.

    What is asked is clamped to what a picture can hold before it is changed, and again after; clamping alone already
    stops triggers that lie outside that range.

    Args:
        answer: the API of the stolen model.
        feed: of its inputs, which are pictures.
        change: the filter.

    Raises:
        UsageError: inputs are no pictures.
    """
    feed = of_pictures(feed)

    def asked(inputs: Tensor) -> Tensor:
        return answer(fed(change(shown(inputs, feed).clamp(0, 1)).clamp(0, 1), feed))

    return asked


def padded(pictures: Tensor, kernel: int) -> Tensor:
    """Return pictures with their border pixels repeated, such that squares of side ``kernel`` fit around each pixel.

    An even square reaches one pixel further down and right.
    """
    before = (kernel - 1) // 2
    after = kernel - 1 - before
    return torch.nn.functional.pad(pictures, (before, after, before, after), mode="replicate")
