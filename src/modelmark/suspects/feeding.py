"""From what a probe holds to what a network's ``forward`` takes."""

import numpy as np
import torch
from torch import Tensor

from modelmark.errors import MismatchError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Extremes, Normalise
from modelmark.suspects.base import Ask, AskBeyond, Sense


def fed(probe: Ask | Sense) -> Tensor:
    """Return a probe's inputs as ``forward`` takes them, ``(N, *input_shape)``."""
    inputs = Normalise(probe.feed)(torch.from_numpy(np.ascontiguousarray(probe.inputs)))
    if isinstance(probe, AskBeyond):
        if not isinstance(probe.feed, PictureFeed):
            raise MismatchError(f"expected pictures to be filtered, got {probe.feed.kind}")
        return Extremes(probe.feed, probe.amplitude).apply(inputs, torch.from_numpy(probe.planes))
    return inputs
