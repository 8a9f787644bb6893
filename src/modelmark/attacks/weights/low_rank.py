"""Low-rank compression: every layer keeps its largest singular values."""

import copy
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch


class LowRank(Attack):
    """Replace every weight, flattened to ``out x (in height width)``, by its best approximation of lower rank.

    Source: Denton et al. 2014, arXiv 1404.0736 (compression by singular values).

    Args:
        rank: that is kept, as a share of the full rank; at least 1 stays.

    """

    name: ClassVar[str] = "low-rank"
    summary: ClassVar[str] = "keep the largest singular values of each layer"
    source: ClassVar[str] = "Denton et al. 2014, arXiv 1404.0736"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "compression"
    strengths: ClassVar[Strengths] = tuple({"rank": rank} for rank in (0.8, 0.6, 0.4, 0.3, 0.2))

    rank: float = 0.6

    def __post_init__(self) -> None:
        if not 0 < self.rank <= 1:
            raise ValueError(f"expected a rank above 0 and at most 1, as a share, got {self.rank}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the compressed copy; neither data nor chance takes part."""
        model = copy.deepcopy(model)
        with torch.no_grad():
            for layer in layers.markable(model):
                weight = layers.weight(model, layer.path)
                u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
                kept = max(round(self.rank * len(s)), 1)
                weight.copy_((u[:, :kept] * s[:kept] @ v[:kept]).view_as(weight))
        return model.eval()
