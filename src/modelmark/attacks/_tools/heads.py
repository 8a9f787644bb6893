"""The last layer and what it receives, in coordinates in which every direction of the features is as large as any other."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.training.task import Task


class Head(NamedTuple):
    """The last layer of a network, and what it receives of a thief's inputs.

    Args:
        layer: the live one.
        features: float64 ``(N, M)``.
    """

    layer: nn.Linear
    features: Tensor


def head_of(model: nn.Module, task: Task) -> Head:
    """Return the last layer of ``model`` with what it receives of the training inputs of ``task``.

    Raises:
        UsageError: it is no linear layer, or is not given one vector an input.
    """
    path = layers.head(model)
    layer = layers.unwrapped(model).get_submodule(path)
    if not isinstance(layer, nn.Linear):
        raise UsageError(f"expected a model whose last layer is linear, got {type(layer).__name__} at {path!r}")
    normalise = Normalise(task.feed)
    parts = [taps.activations(model, path, normalise(part)) for part in task.train_inputs.split(1024)]
    features = torch.cat(parts).double()
    if features.shape[1] != layer.in_features:
        raise UsageError(f"expected a last layer that receives one vector an input, got {path!r}, which receives more")
    return Head(layer, features)


class Whitening(NamedTuple):
    """Principal directions, scaled: ``u(x) = axes @ (features(x) - mean)`` has mean 0 and mean square 1 in each coordinate.

    Args:
        mean: of the features, ``(M,)``.
        axes: largest variance first, ``(K, M)``.
    """

    mean: Tensor
    axes: Tensor

    def of(self, features: Tensor) -> Tensor:
        """Return the coordinates of features ``(N, M)``: ``(N, K)``."""
        return (features - self.mean) @ self.axes.T


_FLAT = 1e-6
"""Share of the largest variance below which a direction is none."""


def whitening(features: Tensor, most: int) -> Whitening:
    """Return the directions of the features ``(N, M)``, float64, ``most`` of them or as many as have any variance."""
    mean = features.mean(dim=0)
    centred = features - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(features))
    variances, directions = variances.flip(0), directions.flip(1)
    kept = min(most, max(int((variances > _FLAT * variances[0]).sum()), 1))
    return Whitening(mean, (directions[:, :kept] / variances[:kept].clamp(min=1e-30).sqrt()).T)


def add(layer: nn.Linear, whitened: Whitening, weights: Tensor) -> None:
    """Add ``weights @ u(x)`` to what a last layer gives, ``weights`` ``(classes, K)``; one without bias gets none."""
    change = weights @ whitened.axes
    with torch.no_grad():
        layer.weight.add_(change.to(layer.weight))
        if layer.bias is not None:
            layer.bias.sub_((change @ whitened.mean).to(layer.bias))
