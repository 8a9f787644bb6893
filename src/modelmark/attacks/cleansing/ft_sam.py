"""Fine-tuning with sharpness-aware minimisation, which moves large weights most."""

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Within
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks, Samples


class FtSam(Removal, family="cleansing"):
    """Fine-tune with sharpness-aware minimisation.

    Gradients are taken where the loss nearby is worst, ``rho T^2 g / ||T g||`` away with ``T = |w|``.

    Source: Zhu et al. 2023, arXiv 2304.11823; "Enhancing fine-tuning based backdoor defense with sharpness-aware minimization".
    Departs: weight decay is taken at the moved weights, and both passes of a step move running statistics.
    """

    strengths = (
        {"rho": 0.5, "rate": 0.01},
        {},
        {"rho": 2.0, "rate": 0.05},
        {"rho": 4.0, "rate": 0.05},
        {"rho": 4.0, "rate": 0.1},
    )

    rho: Annotated[float, Within(0), "radius of the neighbourhood, relative to the weights"] = 2.0
    rate: Rate = 0.02
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        return thief.tune(stolen, self, hooks=lambda copied: Sharpness(copied, self.rho))


class Sharpness(Hooks):
    """Moves the weights uphill before a step and back after it, so that the step uses the gradient found there.

    Args:
        model: the copy that is trained.
        rho: radius, relative to the weights.
    """

    def __init__(self, model: nn.Module, rho: float) -> None:
        super().__init__()
        self._forward = partial(scored, model)
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

    finish = after_step
