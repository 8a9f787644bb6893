"""What training does for ``passports``: the hinge of the sign loss on scale factors of filters."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.passports import Passports
from modelmark.carriers.rows import real
from modelmark.networks import layers
from modelmark.schemes import _filters
from modelmark.training.hooks import Hooks


class Signs(Hooks):
    """The sign loss of the paper.

    Args:
        layer: that is marked.
        carriers: passports and the filters they are of.
        message: bits, ``(T,)``.
        strength: alpha.
        hinge: how far beyond zero factors are pulled.
    """

    passports: Tensor
    filters: Tensor
    message: Tensor

    def __init__(
        self, layer: layers.Layer, carriers: Passports, message: npt.NDArray[np.int64], strength: float, hinge: float
    ) -> None:
        super().__init__()
        self.layer, self._strength, self._hinge = layer, strength, hinge
        self.register_buffer("passports", torch.from_numpy(real(carriers.matrix)).float(), persistent=False)
        self.register_buffer("filters", torch.from_numpy(carriers.filters), persistent=False)
        self.register_buffer("message", torch.from_numpy(message).float(), persistent=False)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add ``strength * sum max(0, hinge - (2 b - 1) W p)``."""
        return loss + self._strength * (self._hinge - self._turned(model)).relu().sum()

    @torch.no_grad()
    def margins(self, model: nn.Module) -> Tensor:
        """Return ``(2 b - 1) W p``, ``(T,)``."""
        return self._turned(model)

    def _turned(self, model: nn.Module) -> Tensor:
        weight = _filters.whole(model, self.layer)
        if self.passports.device != weight.device:
            self.to(weight.device)
        factors = (weight[self.filters] * self.passports).sum(dim=1)
        return factors * (2 * self.message - 1)
