"""Occlusion: fine-tuning on pictures with a hole, so that no small pattern decides alone."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.errors import UsageError
from modelmark.hooks import Hooks, Samples
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Occlude(Attack):
    """Fine-tune on pictures in which one square, elsewhere in each, has the value of the picture's mean.

    Source: Lukas et al. 2022, arXiv 2108.04974 (random occlusion, in their toolbox); squares as in DeVries & Taylor 2017,
    arXiv 1708.04552.

    Args:
        side: of the square, as a share of the shorter side of the picture; at least one pixel.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "occlude"
    summary: ClassVar[str] = "fine-tune on pictures with random holes"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"side": 0.2},
        {"side": 0.35},
        {"side": 0.5},
        {"side": 0.35, "rate": 0.05},
        {"side": 0.5, "rate": 0.1},
    )

    side: float = 0.35
    rate: float = 0.01
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, side=self.side)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the fine-tuned copy.

        Raises:
            UsageError: inputs are no pictures.
        """
        if len(task.interface.input_shape) != 3:
            raise UsageError(f"expected pictures to occlude, got inputs of shape {task.interface.input_shape}")
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, hooks=lambda copied: _Holes(self.side), watch=watch)


class _Holes(Hooks):
    """Puts the hole into every picture of a batch; draws from the generator that ``fit`` forks for dropout."""

    def __init__(self, side: float) -> None:
        super().__init__()
        self._side = side

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch with one hole in each picture."""
        height, width = x.shape[-2:]
        size = max(round(self._side * min(height, width)), 1)
        corner = torch.rand(2, len(x), 1, device=x.device)
        top, left = (corner * torch.tensor([height - size + 1, width - size + 1], device=x.device).view(2, 1, 1)).long()
        rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        hole = ((rows >= top) & (rows < top + size))[:, None, :, None] & ((columns >= left) & (columns < left + size))[
            :, None, None, :
        ]
        return torch.where(hole, x.mean(dim=(2, 3), keepdim=True), x), y
