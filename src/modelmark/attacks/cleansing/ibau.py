"""Implicit backdoor adversarial unlearning: the model is hardened against one perturbation that fits all inputs."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._perturb import ends
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks, Samples
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Ibau(Attack):
    """Fine-tune against a universal perturbation that is moved to raise the loss before every step.

    Source: Zeng et al. 2022, "Adversarial unlearning of backdoors via implicit hypergradient", arXiv 2110.03735.
    Departs: first order only: the perturbation counts as constant in the outer step, so the implicit part of the hypergradient
    is left out; inner and outer steps take turns on every batch instead of in rounds; clean inputs are trained on beside.

    Args:
        radius: largest root mean square of the perturbation, of full scale.
        iterations: inner steps before every outer one, each a quarter of the radius long.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "ibau"
    summary: ClassVar[str] = "unlearn a universal adversarial perturbation (first order)"
    source: ClassVar[str] = "Zeng et al. 2022, arXiv 2110.03735"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"radius": 0.02, "rate": 0.01},
        {},
        {"rate": 0.05},
        {"radius": 0.1, "rate": 0.05},
        {"radius": 0.1, "rate": 0.1},
    )

    radius: float = 0.05
    iterations: int = 3
    rate: float = 0.02
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, radius=self.radius)
        if self.iterations < 1:
            raise ValueError(f"expected at least one iteration, got {self.iterations}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the hardened copy."""

        def hooks(copied: nn.Module) -> Hooks:
            low, high = ends(task.interface, next(copied.parameters()).device)
            return Universal(copied.forward, low, high, self.radius, self.iterations)

        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, hooks=hooks, watch=watch)


class Universal(Hooks):
    """Appends every batch under one perturbation, which follows the model as it changes.

    Args:
        forward: of the model that is trained.
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
