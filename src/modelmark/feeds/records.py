"""Records that are weighed, not asked: inputs with what is told of each, such as a label or how much of a text is a prompt."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.feeds.base import Array, Feed
from modelmark.feeds.texts import TextFeed

TEXTS = TextFeed((1,), ("0", "1"))
"""Of texts that are weighed, whatever tokens a suspect makes of them; the classes are the two versions of each."""


@dataclass(frozen=True, eq=False)
class Records:
    """Inputs, and what is told of each.

    Args:
        feed: how the model is fed.
        inputs: as the feed stores them, ``(N, *input_shape)``.
        given: int64 ``(N,)``: how many tokens or characters of each are given and not weighed, or its label.
    """

    feed: Feed
    inputs: Array
    given: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)
