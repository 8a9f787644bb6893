"""Whether pictures go through a network with their channels last in memory: convolutions are faster, values the same."""

import copy

import torch
from torch import Tensor, nn

from modelmark.networks.layers import is_convolved
from modelmark.networks.taps import evaluating


def channels_last(pictures: Tensor) -> Tensor:
    """Return pictures ``(N, C, H, W)`` with their channels next to one another in memory."""
    return pictures.contiguous(memory_format=torch.channels_last)


def takes_channels_last(model: nn.Module, pictures: Tensor, *, weights: bool = False) -> bool:
    """Return whether a network convolves pictures, and goes through with their channels last.

    One that flattens what it convolved by ``view`` does not: torch refuses to, as the numbers lie in another order.

    Args:
        model: left as it was.
        pictures: a few, as ``forward`` takes them; without three axes of their own the answer is no.
        weights: whether its weights will lie so, too, as they do while it is trained.
    """
    if pictures.dim() != 4 or not is_convolved(model):
        return False
    parameter = next(model.parameters(), None)
    pictures = channels_last(pictures if parameter is None else pictures.to(parameter.device))
    try:
        tried = copy.deepcopy(model).to(memory_format=torch.channels_last) if weights else model  # type: ignore[call-overload]
        with evaluating(tried):
            tried(pictures)
    except Exception:  # a person's own code may raise anything
        return False
    return True
