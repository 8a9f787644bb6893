"""Batch norm folded into the layer before it, in place: the network keeps its modules, and batch norm is left as an identity."""

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from modelmark.networks.calling import call

Pairs: TypeAlias = list[tuple[nn.Module, nn.Module]]

_TURNED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TURNED)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def pairs(model: nn.Module, inputs: Tensor) -> Pairs:
    """Return each layer with the batch norm that is given just what it answers; both run once in a pass.

    Args:
        model: in evaluation mode.
        inputs: as ``forward`` takes them.
    """
    answered: dict[int, tuple[nn.Module, Tensor, int]] = {}
    found: Pairs = []
    runs: dict[nn.Module, int] = {}

    def seen(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        runs[module] = runs.get(module, 0) + 1
        if isinstance(module, _LAYERS):
            answered[id(answer)] = module, answer, answer._version
        elif id(given[0]) in answered:
            layer, _, version = answered[id(given[0])]
            if given[0]._version == version:  # nothing changed it in place
                found.append((layer, module))

    handles = [
        module.register_forward_hook(seen) for module in model.modules() if isinstance(module, (*_LAYERS, *_NORMS))
    ]
    try:
        with torch.no_grad():
            call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    layers = [layer for layer, _ in found]
    return [
        (layer, norm)
        for layer, norm in found
        if runs[layer] == runs[norm] == layers.count(layer) == 1 and _plain(layer)
    ]


def fold(layer: Any, norm: Any) -> None:
    """Multiply a layer's filters by what batch norm multiplies their channels by; what it adds goes where biases are."""
    with torch.no_grad():
        bias = layer.bias
        none = torch.zeros_like(norm.running_mean)
        weight, added = fuse_conv_bn_weights(
            layer.weight, none if bias is None else bias, norm.running_mean, norm.running_var, norm.eps,
            norm.weight, norm.bias, transpose=isinstance(layer, _TURNED),
        )  # fmt: skip
        layer.weight.copy_(weight)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        if bias is None:
            norm.bias.copy_(added)
        else:
            bias.copy_(added)
            norm.bias.zero_()


def folded(model: nn.Module, inputs: Tensor) -> int:
    """Fold every batch norm of a model that follows a layer, in place, and return how many there were."""
    found = pairs(model, inputs)
    for layer, norm in found:
        fold(layer, norm)
    return len(found)


def _plain(layer: nn.Module) -> bool:
    """Return whether a layer's weight is a parameter of its own, not computed from others."""
    return "weight" in dict(layer.named_parameters(recurse=False))
