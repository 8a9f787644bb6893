"""Between which ends inputs lie, and steps within them: pixels by their scale, other numbers as far as the thief's reach."""

from dataclasses import dataclass

import torch
from torch import Tensor

from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.training.task import Task


@dataclass(frozen=True, eq=False)
class Extent:
    """Full scale of every number of an input.

    Args:
        feed: of the inputs.
        low, high: the ends, as inputs are stored but in float32, ``(*input_shape)``.
    """

    feed: Feed
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, task: Task) -> "Extent":
        """Return the extent of a thief's inputs: of what is no picture nothing is known but what he has."""
        shape = task.feed.input_shape
        if task.feed.kind == "pictures":
            return cls(task.feed, torch.zeros(shape), torch.full(shape, float(FULL_SCALE)))
        there = task.train_inputs.cpu().float()
        return cls(task.feed, there.amin(dim=0), there.amax(dim=0))

    def share(self, part: float) -> Tensor:
        """Return a part of full scale as a length, float32 ``(*input_shape)``."""
        return (part * (self.high - self.low).double()).float()

    def stored(self, inputs: Tensor) -> Tensor:
        """Return float32 inputs ``(N, *input_shape)`` cut off at the ends, as the feed stores them: pixels are rounded."""
        within = torch.minimum(torch.maximum(inputs, self.low.to(inputs.device)), self.high.to(inputs.device))
        return within.round().to(torch.uint8) if self.feed.kind == "pictures" else within

    def moved(self, inputs: Tensor, signs: Tensor, step: float) -> Tensor:
        """Return stored inputs moved by ``step`` of full scale along ``signs``, both ``(N, *input_shape)``."""
        return self.stored(inputs.float() + self.share(step).to(inputs.device) * signs)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """Return inputs whose every number is uniform between its ends, as stored, ``(count, *input_shape)``."""
        shape = (count, *self.feed.input_shape)
        if self.feed.kind == "pictures":
            return torch.randint(0, FULL_SCALE + 1, shape, dtype=torch.uint8, generator=generator)
        return torch.lerp(self.low, self.high, torch.rand(shape, generator=generator))

    def fed(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return both ends as ``forward`` takes inputs, each ``(*input_shape)``."""
        low, high = Normalise(self.feed)(torch.stack([self.low, self.high])).to(device)
        return low, high
