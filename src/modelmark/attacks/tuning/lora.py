"""Low-rank fine-tuning: a small update is trained beside every layer and merged into it."""

import copy
import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Lora(Attack):
    """Train ``W + B A`` with everything but the low-rank factors frozen, then merge.

    Source: Hu et al. 2022, "LoRA", arXiv 2106.09685; what most people who fine-tune a downloaded model do today.
    Departs: every convolution and linear layer, kernels flattened to ``out x (in height width)``; no extra scale.

    Args:
        rank: of the update.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "lora"
    summary: ClassVar[str] = "low-rank fine-tuning, merged"
    source: ClassVar[str] = "Hu et al. 2022, arXiv 2106.09685"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "fine-tuning"
    strengths: ClassVar[Strengths] = (
        {"rank": 1},
        {"rank": 4},
        {"rank": 16},
        {"rank": 16, "rate": 0.1},
        {"rank": 32, "rate": 0.2, "epochs": 20},
    )

    rank: int = 4
    rate: float = 0.05
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if self.rank < 1:
            raise ValueError(f"expected a rank from 1 on, got {self.rank}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy with the trained update merged into its weights."""
        merged = copy.deepcopy(model)
        adapted = copy.deepcopy(model)
        paths = [layer.path for layer in layers.markable(adapted)]
        generator = torch.Generator().manual_seed(seed)
        for path in paths:
            module = layers.unwrapped(adapted).get_submodule(path)
            update = _Update(layers.weight(adapted, path), self.rank, generator)
            parametrize.register_parametrization(module, "weight", update)
        adapted = fit(
            adapted,
            task,
            constant(self.epochs, self.rate, batch=self.batch, weight_decay=0.0, clip=1.0),
            seed=seed,
            trainable=lambda name: ".parametrizations." in name and not name.endswith(".original"),
            frozen_statistics=True,
            watch=watch,
        )
        with torch.no_grad():
            for path in paths:
                trained: Any = layers.unwrapped(adapted).get_submodule(path)
                layers.weight(merged, path).copy_(trained.weight)
        return merged.eval()


class _Update(nn.Module):
    """``W -> W + B A``, with B zero at the beginning."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        out, width = weight.shape[0], weight[0].numel()
        rank = min(rank, out, width)
        a = torch.randn(rank, width, generator=generator) / math.sqrt(width)
        self.A = nn.Parameter(a.to(weight))
        self.B = nn.Parameter(torch.zeros(out, rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the updated weight."""
        return weight + (self.B @ self.A).view_as(weight)
