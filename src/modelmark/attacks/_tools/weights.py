"""One change for every layer's weight."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from modelmark.networks import layers


def rewritten(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return ``model`` with what ``change`` makes of the weight of each convolution and linear layer, in their order.

    ``change`` is given filters first, ``(filters, *kernel)``, however the layer holds them.
    """
    with torch.no_grad():
        for layer in layers.markable(model):
            weight = layers.rows(model, layer)
            weight.copy_(change(weight))
    return model
