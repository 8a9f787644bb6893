"""Fine-tuning with sharpness-aware minimisation, which moves large weights most."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks, Samples
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class FtSam(Attack):
    """Fine-tune with gradients taken where the loss nearby is worst, ``rho T^2 g / ||T g||`` away with ``T = |w|``.

    Source: Zhu et al. 2023, "Enhancing fine-tuning based backdoor defense with sharpness-aware minimization",
    arXiv 2304.11823.
    Departs: weight decay is taken at the moved weights, and both passes of a step move running statistics.

    Args:
        rho: radius of the neighbourhood, relative to the weights.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "ft-sam"
    summary: ClassVar[str] = "fine-tune with sharpness-aware minimisation"
    source: ClassVar[str] = "Zhu et al. 2023, arXiv 2304.11823"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"rho": 0.5, "rate": 0.01},
        {},
        {"rho": 2.0, "rate": 0.05},
        {"rho": 4.0, "rate": 0.05},
        {"rho": 4.0, "rate": 0.1},
    )

    rho: float = 2.0
    rate: float = 0.02
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if not 0 <= self.rho < float("inf"):
            raise ValueError(f"expected rho of at least 0, got {self.rho}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy."""
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, hooks=lambda copied: Sharpness(copied, self.rho), watch=watch)


class Sharpness(Hooks):
    """Moves the weights uphill before a step and back after it, so that the step uses the gradient found there.

    Args:
        model: the copy that is trained.
        rho: radius, relative to the weights.
    """

    def __init__(self, model: nn.Module, rho: float) -> None:
        super().__init__()
        self._forward = model.forward
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._rho = rho
        self._moves: list[Tensor] = []

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Move the weights to where the loss on this batch is worst nearby."""
        slopes = torch.autograd.grad(cross_entropy(self._forward(x), y), self._trained, allow_unused=True)
        with torch.no_grad():
            scaled = [
                torch.zeros_like(w) if slope is None else w.abs() * slope
                for w, slope in zip(self._trained, slopes, strict=True)
            ]
            length = torch.stack([part.norm() for part in scaled]).norm().clamp(min=1e-12)
            self._moves = [self._rho * w.abs() * part / length for w, part in zip(self._trained, scaled, strict=True)]
            for w, move in zip(self._trained, self._moves, strict=True):
                w.add_(move)
        return x, y

    def after_step(self, model: nn.Module) -> None:
        """Move them back."""
        with torch.no_grad():
            for w, move in zip(self._trained, self._moves, strict=True):
                w.sub_(move)
        self._moves = [torch.zeros_like(move) for move in self._moves]

    def finish(self, model: nn.Module) -> None:
        """Move them back after the last step."""
        self.after_step(model)
