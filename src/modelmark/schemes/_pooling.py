"""What training does for ``neuralmark``: the cross-entropy of projections of selected, pooled weights."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.pooled import Pooled
from modelmark.carriers.rows import real
from modelmark.networks import layers
from modelmark.schemes import _filters
from modelmark.training.hooks import Hooks


class Pooling(Hooks):
    """The embedding loss of the paper.

    Args:
        layer: that is marked.
        carriers: filter and rows.
        message: bits, ``(T,)``.
        strength: lambda.
    """

    projection: Tensor
    kept: Tensor
    message: Tensor

    def __init__(self, layer: layers.Layer, carriers: Pooled, message: npt.NDArray[np.int64], strength: float) -> None:
        super().__init__()
        self.layer, self._strength = layer, strength
        kept = torch.from_numpy(carriers.kept(layer.filters * layer.width))
        self.register_buffer("projection", torch.from_numpy(real(carriers.matrix)).float(), persistent=False)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("message", torch.from_numpy(message).float(), persistent=False)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add ``strength`` times the mean cross-entropy of ``sigmoid(K m)`` with the bits."""
        return loss + self._strength * nn.functional.softplus(-self._turned(model)).mean()

    @torch.no_grad()
    def margins(self, model: nn.Module) -> Tensor:
        """Return ``(2 b - 1) K m``, ``(T,)``."""
        return self._turned(model)

    def _turned(self, model: nn.Module) -> Tensor:
        weight = _filters.whole(model, self.layer)
        if self.kept.device != weight.device:
            self.to(weight.device)
        pooled = weight.reshape(-1)[self.kept].mean(dim=0)
        return torch.mv(self.projection, pooled.to(self.projection.dtype)) * (2 * self.message - 1)
