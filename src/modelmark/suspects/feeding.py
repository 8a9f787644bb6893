"""From what a probe holds to what a network's ``forward`` takes, as much at a time as memory is meant for."""

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Extremes, Normalise
from modelmark.suspects.base import Ask, AskBeyond, Sense

_BATCH = 256
_NUMBERS = 2**22
"""In a batch of inputs; what a network makes of them on its way is some ten times as much."""


def batch_size(feed: Feed) -> int:
    """Return how many inputs go through a network at a time."""
    return max(1, min(_BATCH, _NUMBERS // prod(feed.input_shape)))


def batches(probe: Ask) -> Iterator[Tensor]:
    """Yield a probe's inputs as ``forward`` takes them, ``(n, *input_shape)``, in their order."""
    size = batch_size(probe.feed)
    for start in range(0, len(probe.inputs), size):
        yield fed(probe, slice(start, start + size))


def fed(probe: Ask | Sense, part: slice = slice(None)) -> Tensor:
    """Return a probe's inputs, or a part of them, as ``forward`` takes them, ``(N, *input_shape)``."""
    inputs = Normalise(probe.feed)(torch.from_numpy(np.ascontiguousarray(probe.inputs[part])))
    if isinstance(probe, AskBeyond):
        if not isinstance(probe.feed, PictureFeed):
            raise MismatchError(f"expected pictures to be filtered, got {probe.feed.kind}")
        return Extremes(probe.feed, probe.amplitude).apply(inputs, torch.from_numpy(probe.planes[part]))
    return inputs
