"""What training does for ``deepmarks``: squared errors pull a layer's projections to plus or minus one number."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.networks import layers
from modelmark.schemes import _filters
from modelmark.schemes._regulariser import Regulariser


class Squares(Regulariser):
    """The embedding loss of the paper, a squared error, with its closed-form gradient.

    Args:
        layer: that is marked, of L filters.
        matrix: rows R, ``(T, M)``.
        message: bits, ``(T,)``.
        strength: of the sum of squares.
        amplitude: of every projection.
    """

    def __init__(
        self,
        layer: layers.Layer,
        matrix: npt.NDArray[Any],
        message: npt.NDArray[np.int64],
        strength: float,
        amplitude: float,
    ) -> None:
        super().__init__(layer, matrix, message, strength)
        self._amplitude = amplitude

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add ``strength * |R w - a (2 b - 1)|^2``."""
        mean = _filters.whole(model, self.layer).mean(dim=0)
        if self.projection.device != mean.device:
            self.to(mean.device)
        errors = self._errors(mean)
        return loss + self._strength * errors.square().sum()

    def slope(self, mean: Tensor) -> Tensor:
        """Return the derivative by each filter, ``2 R^T (R w - a (2 b - 1)) * strength / L``, ``(M,)``."""
        if self.projection.device != mean.device:
            self.to(mean.device)
        errors = self._errors(mean)
        return torch.mv(self.projection.t(), errors).mul_(2 * self._strength / self.layer.filters)

    def _errors(self, mean: Tensor) -> Tensor:
        return torch.mv(self.projection, mean.to(self.projection.dtype)) - self._amplitude * (2 * self.message - 1)
