"""Weight shifting: filters lose what they have in common, which is what an average over them reads."""

import copy
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Shift(Attack):
    """Subtract from every convolution and linear layer a multiple of its mean filter, add noise, then fine-tune.

    Aimed at ``uchida``, which reads the mean over output filters. A strength of 1 erases what is read there; above it the mean
    comes back with the other sign, and so does every bit: on digits 1.5 leaves 0 of 256 matches, which is no mark to a
    verifier, but no accident either.

    Source: Lukas et al. 2022, arXiv 2108.04974 (weight shifting); noise and tuning from their toolbox.
    Departs: the noise is a setting, and gentler by default than theirs, a whole standard deviation.

    Args:
        strength: how many times the mean filter is subtracted.
        noise: standard deviation of the noise, as a share of that of the layer's weights.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "shift"
    summary: ClassVar[str] = "subtract the mean filter, add noise, fine-tune"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "noise"
    strengths: ClassVar[Strengths] = (
        {"strength": 0.5},
        {"strength": 1.0},
        {"strength": 1.5},
        {"strength": 2.5},
        {"strength": 2.5, "noise": 0.5, "rate": 0.05},
    )

    strength: float = 1.5
    noise: float = 0.2
    rate: float = 0.02
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if not 0 <= self.strength < float("inf") or not 0 <= self.noise < float("inf"):
            raise ValueError(f"expected strength and noise from 0 on, got {self.strength} and {self.noise}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the shifted and fine-tuned copy."""
        model = copy.deepcopy(model)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in layers.markable(model):
                weight = layers.weight(model, layer.path)
                noise = torch.randn(weight.shape, generator=generator).to(weight)
                shifted = weight - self.strength * weight.mean(dim=0, keepdim=True)
                weight.copy_(shifted + self.noise * weight.std() * noise)
        return fit(model, task, constant(self.epochs, self.rate, batch=self.batch, clip=1.0), seed=seed, watch=watch)
