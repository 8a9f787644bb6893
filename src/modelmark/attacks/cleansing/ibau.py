"""Implicit backdoor adversarial unlearning: the model is hardened against one perturbation that fits all inputs."""

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Rate, Share
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks, Samples


class Ibau(Removal, family="cleansing", feeds=NUMBERS):
    """Unlearn a universal adversarial perturbation (first order), moved to raise the loss before every step.

    Source: Zeng et al. 2022, arXiv 2110.03735; "Adversarial unlearning of backdoors via implicit hypergradient".
    Departs: first order only: the perturbation counts as constant in the outer step, so the implicit part of the hypergradient
    is left out; inner and outer steps take turns on every batch instead of in rounds; clean inputs are trained on beside.
    """

    strengths = (
        {"radius": 0.02, "rate": 0.01},
        {},
        {"rate": 0.05},
        {"radius": 0.1, "rate": 0.05},
        {"radius": 0.1, "rate": 0.1},
    )

    radius: Annotated[Share, "largest root mean square of the perturbation, of full scale"] = 0.05
    iterations: Annotated[Count, "inner steps before every outer one, each a quarter of the radius long"] = 3
    rate: Rate = 0.02
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the hardened model."""
        low, high = Extent.of(thief.task).fed(next(stolen.parameters()).device)
        return thief.tune(
            stolen, self,
            hooks=lambda copied: Universal(partial(scored, copied), low, high, self.radius, self.iterations),
        )  # fmt: skip


class Universal(Hooks):
    """Appends every batch under one perturbation, which follows the model as it changes.

    Args:
        forward: gives the scores of the model that is trained.
        low, high: darkest and brightest input, ``(*input_shape)``.
        radius: largest root mean square of the perturbation, of full scale.
        iterations: steps it makes before every step of the model.
    """

    delta: Tensor

    def __init__(
        self, forward: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, radius: float, iterations: int
    ) -> None:
        super().__init__()
        self._forward = forward
        self._low, self._scale = low, high - low
        self._radius = radius * math.sqrt(low.numel())
        self._iterations = iterations
        self.register_buffer("delta", torch.zeros_like(low))

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Move the perturbation against the model and return the batch with it."""
        for _ in range(self._iterations):
            at = self.delta.clone().requires_grad_(True)
            (slope,) = torch.autograd.grad(cross_entropy(self._forward(self._moved(x, at)), y), at)
            moved = self.delta + self._radius / 4 * slope / slope.norm().clamp(min=1e-12)
            self.delta = moved * (self._radius / moved.norm().clamp(min=1e-12)).clamp(max=1.0)
        return self._moved(x, self.delta), y

    def _moved(self, x: Tensor, delta: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x + delta * self._scale, self._low), self._low + self._scale)
