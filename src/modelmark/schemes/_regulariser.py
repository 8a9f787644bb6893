"""What training does for ``uchida``: the loss that turns the signs of a layer's projections."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.rows import real
from modelmark.errors import UsageError
from modelmark.networks import layers, shards
from modelmark.training.hooks import Hooks


class Regulariser(Hooks):
    """The embedding loss E_R of the paper (section 3.3), with its closed-form gradient."""

    projection: Tensor
    message: Tensor

    def __init__(
        self, layer: layers.Layer, matrix: npt.NDArray[Any], message: npt.NDArray[np.int64], strength: float
    ) -> None:
        super().__init__()
        projection = torch.from_numpy(real(matrix)).float()
        self.layer = layer
        self._strength = strength
        self.register_buffer("projection", projection, persistent=False)  # derived from the key
        self.register_buffer("message", torch.from_numpy(message).to(projection.dtype), persistent=False)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add ``strength * E_R``.

        Raises:
            UsageError: the weight lies in pieces in several processes.
        """
        weight = layers.rows(model, self.layer)
        if shards.is_cut(weight):
            raise UsageError(
                "expected a whole weight for a term of the loss, this one is cut between processes",
                hint="mark.attach(optimizer, model) marks it where it lies",
            )
        if self.projection.device != weight.device:
            self.to(weight.device)
        added: Tensor = EmbeddingLoss.apply(weight, self.projection, self.message, self._strength)
        return loss + added

    def slope(self, mean: Tensor) -> Tensor:
        """Return the derivative of ``strength * E_R`` by each filter, ``X^T (y - b) * strength / L``, ``(M,)``."""
        if self.projection.device != mean.device:
            self.to(mean.device)
        projection, message = self.projection, self.message
        return _slope(
            torch.mv(projection, mean.to(projection.dtype)), projection, message, self._strength, self.layer.filters
        )

    def margins(self, model: nn.Module) -> Tensor:
        """Return ``(2 b - 1) X w``, ``(T,)``; of a weight in pieces the same in every process."""
        mean = shards.mean(layers.weight(model, self.layer.path), self.layer.layout)
        return (self.projection.to(mean) @ mean) * (2 * self.message.to(mean) - 1)


class EmbeddingLoss(torch.autograd.Function):
    """Summed cross-entropy of the projected mean filter; its gradient is ``X^T (y - b) / L`` for every filter."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, projection: Tensor, message: Tensor, strength: float) -> Tensor:
        mean = weight.mean(dim=0).flatten()
        if mean.dtype != projection.dtype:
            mean = mean.to(projection.dtype)
        logit = torch.mv(projection, mean)
        ctx.shape = weight.shape
        ctx.save_for_backward(_slope(logit, projection, message, strength, weight.shape[0]).to(weight.dtype))
        # softplus(z) - b z is the cross-entropy of sigmoid(z) with b, in fewer kernels
        return strength * (nn.functional.softplus(logit).sum() - torch.dot(logit, message))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return (grad_outputs[0] * slope).view(ctx.shape[1:]).expand(ctx.shape), None, None, None


def _slope(logit: Tensor, projection: Tensor, message: Tensor, strength: float, filters: int) -> Tensor:
    return torch.mv(projection.t(), torch.sigmoid(logit) - message).mul_(strength / filters)
