"""Batch norms of a network that is taught in evaluation mode, with the statistics of its data as they come to be."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_AT_ONCE = 128
"""Samples."""


class Norms:
    """The batch norms of a part of a network.

    Args:
        part: whose norms they are, in evaluation mode; those without running statistics need nothing.
    """

    def __init__(self, part: nn.Module) -> None:
        self._part = part
        self._norms: Sequence[_BatchNorm] = [
            one for one in part.modules() if isinstance(one, _BatchNorm) and one.track_running_stats
        ]

    @contextmanager
    def by_first(self, count: int) -> Iterator[None]:
        """Normalise a batch by its first ``count`` samples, whatever else is in it, while the block runs."""

        def normalised(norm: _BatchNorm, given: tuple[Tensor], _: Tensor) -> Tensor:
            (x,) = given
            axes, sides = [0, *range(2, x.dim())], (-1, *(1 for _ in x.shape[2:]))
            mean = x[:count].mean(axes)
            variance = (x[:count] - mean.view(sides)).square().mean(axes)  # a fraction of the time of var_mean
            scale = (variance + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight)
            shift = (0 if norm.bias is None else norm.bias) - mean * scale
            return torch.addcmul(shift.view(sides), x, scale.view(sides))

        hooks = [norm.register_forward_hook(normalised) for norm in self._norms]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def take(self, values: Tensor) -> None:
        """Keep the statistics of ``values``, which the part takes; all batches of them count alike."""
        if not self._norms:
            return
        given = [norm.momentum for norm in self._norms]
        for norm in self._norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for some in values.split(_AT_ONCE):
            self._part(some)
        for norm, momentum in zip(self._norms, given, strict=True):
            norm.momentum = momentum
            norm.eval()
