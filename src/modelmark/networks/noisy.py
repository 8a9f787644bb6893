"""Gaussian noise on every parameter of a network: to train under, and to read under."""

import copy

import torch
from torch import Tensor, nn

from modelmark.networks.layers import unwrapped


def moved(model: nn.Module, deviation: float, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the parameters of ``model``, each with noise added, by name; gradients go through to those of ``model``.

    Args:
        model: may be wrapped; names are those inside.
        deviation: of the noise on each number.
        generator: on the CPU, so that one seed gives the same noise on every device.
    """
    return {
        name: parameter + deviation * torch.randn(parameter.shape, generator=generator).to(parameter)
        for name, parameter in unwrapped(model).named_parameters()
    }


@torch.no_grad()
def noisy(model: nn.Module, deviation: float, generator: torch.Generator) -> nn.Module:
    """Return a copy of ``model``, without wrappers, with noise added to every parameter; buffers stay as they are."""
    copied = copy.deepcopy(unwrapped(model))
    for name, value in moved(copied, deviation, generator).items():
        copied.get_parameter(name).copy_(value)
    return copied
