"""What training does for ``riga``: the extractor's cross-entropy, and a detector that learns beside it what it gives away."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from modelmark.carriers.extracted import LEAK, Extracted
from modelmark.carriers.rows import real
from modelmark.networks import layers
from modelmark.schemes import _filters
from modelmark.training.hooks import Hooks

UNITS, RATE, CLIP = 64, 0.01, 0.1
"""Hidden units of the detector, of which the paper's code has 512, its learning rate, and how large its weights may grow."""

GAIN = 10.0
"""Of an output in the cross-entropy, w in its first norm: bits that are right there by a third pull no further."""


class Hiding(Hooks):
    """Two terms of the loss, and the detector, which steps when the network has.

    Args:
        layer: that is marked.
        carriers: the extractor.
        message: bits, ``(T,)``.
        model: as it is before training; its mean filter is what the detector takes for natural.
        strength: of the bits.
        hide: of the detector.
        seed: of the detector's first weights and of what it is shown.
    """

    inner: Tensor
    outer: Tensor
    message: Tensor
    natural: Tensor
    units: Tensor
    score: Tensor
    steps: Tensor

    def __init__(
        self,
        layer: layers.Layer,
        carriers: Extracted,
        message: npt.NDArray[np.int64],
        model: nn.Module,
        strength: float,
        hide: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.layer, self._strength, self._hide, self._seed = layer, strength, hide, seed
        outer = real(carriers.outer) / carriers.outer.shape[1] ** 0.5
        for name, value in (("inner", real(carriers.inner)), ("outer", outer), ("message", message)):
            self.register_buffer(name, torch.from_numpy(value).float(), persistent=False)  # derived from the key
        generator = torch.Generator().manual_seed(seed)
        width = layer.width
        self.register_buffer("natural", self._mean(model).detach().float().clone())
        self.register_buffer("units", torch.randn(UNITS, width, generator=generator) * width**-0.5)
        self.register_buffer("score", torch.randn(UNITS, generator=generator) * UNITS**-0.5)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def _mean(self, model: nn.Module) -> Tensor:
        return _filters.whole(model, self.layer).mean(dim=0)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add both terms."""
        mean = self._mean(model)
        if self.inner.device != mean.device:
            self.to(mean.device)
        total = loss + self._strength * functional.softplus(-GAIN * self._turned(mean) / _norm(self.natural)).sum()
        if self._hide:
            total = total + self._hide * functional.softplus(-self._natural(mean, self.units, self.score))
        return total

    def after_step(self, model: nn.Module) -> None:
        """Show the detector the network's own mean filter and a natural one, resampled, and let it take a step."""
        if not self._hide:
            return
        steps = int(self.steps)
        generator = torch.Generator().manual_seed(self._seed * 2**20 + steps)
        shown = torch.randint(len(self.natural), (len(self.natural),), generator=generator)
        units, score = self.units.clone().requires_grad_(), self.score.clone().requires_grad_()
        with torch.enable_grad():
            kept = self._natural(self.natural[shown.to(self.natural.device)], units, score)
            marked = self._natural(self._mean(model).detach(), units, score)
            slopes = torch.autograd.grad(functional.softplus(-kept) + functional.softplus(marked), (units, score))
        for own, slope in zip((self.units, self.score), slopes, strict=True):
            own.sub_(RATE * slope).clamp_(-CLIP, CLIP)
        self.steps += 1

    def _natural(self, mean: Tensor, units: Tensor, score: Tensor) -> Tensor:
        """Return how natural the detector finds a mean filter; above 0: unmarked."""
        ordered = mean.float().sort().values / self.natural.std().clamp_min(1e-12)
        return functional.leaky_relu(units @ ordered, LEAK) @ score

    def _turned(self, mean: Tensor) -> Tensor:
        outputs = self.outer @ functional.leaky_relu(self.inner @ mean.float(), LEAK)
        return outputs * (2 * self.message - 1)

    @torch.no_grad()
    def margins(self, model: nn.Module) -> Tensor:
        """Return ``(2 b - 1) f(w)`` by the root of the hidden units, for a w of norm 1, ``(T,)``."""
        mean = self._mean(model).to(self.inner.device)
        return self._turned(mean) / _norm(mean)


def _norm(mean: Tensor) -> Tensor:
    return mean.float().norm().clamp_min(1e-12)
