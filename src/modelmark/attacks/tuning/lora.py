"""Low-rank fine-tuning: a small update is trained beside every layer and merged into it."""

import copy
import math
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from modelmark.attacks._tools.linear import is_tied
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Rate
from modelmark.networks import layers
from modelmark.training.recipe import constant


class Lora(Removal, family="fine-tuning"):
    """Low-rank fine-tuning, merged.

    ``W + B A`` is trained with everything but the factors frozen: what most people who fine-tune a downloaded model do today.

    Source: Hu et al. 2022, arXiv 2106.09685; "LoRA".
    Departs: every convolution and linear layer but a head that shares the weight of an embedding, kernels flattened to
    ``out x (in height width)``; no extra scale.
    """

    strengths = (
        {"rank": 1},
        {"rank": 4},
        {"rank": 16},
        {"rank": 16, "rate": 0.1},
        {"rank": 32, "rate": 0.2, "epochs": 20},
    )

    rank: Annotated[Count, "of the update"] = 4
    rate: Rate = 0.05
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with the trained update merged into its weights."""
        adapted, generator = copy.deepcopy(stolen), thief.generator()
        paths = [layer.path for layer in layers.markable(stolen) if not is_tied(stolen, layer)]
        for path in paths:
            update = _Update(layers.weight(stolen, path), self.rank, generator)
            parametrize.register_parametrization(layers.unwrapped(adapted).get_submodule(path), "weight", update)
        adapted = thief.fit(
            adapted,
            constant(self.epochs, self.rate, batch=self.batch, weight_decay=0.0, clip=1.0),
            trainable=lambda name: ".parametrizations." in name and not name.endswith(".original"),
            frozen_statistics=True,
        )
        with torch.no_grad():
            for path in paths:
                trained: Any = layers.unwrapped(adapted).get_submodule(path)
                layers.weight(stolen, path).copy_(trained.weight)
        return stolen


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
