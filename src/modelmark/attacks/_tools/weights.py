"""One change for every layer's weight."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from modelmark.networks import layers


def rewritten(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return ``model`` with what ``change`` makes of the weight of each convolution and linear layer, in their order."""
    with torch.no_grad():
        for layer in layers.markable(model):
            weight = layers.weight(model, layer.path)
            weight.copy_(change(weight))
    return model
