"""Weight noise: every weight moves a little, in a random direction."""

import copy
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch


class Noise(Attack):
    """Add Gaussian noise to the weights of all convolution and linear layers.

    Source: the random perturbation against which Bansal et al. 2022, "Certified neural network watermarks", certify.

    Args:
        share: standard deviation of the noise, as a share of that of the layer's weights.

    """

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "Gaussian noise on the weights"
    source: ClassVar[str] = "Bansal et al. 2022, ICML"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "noise"
    strengths: ClassVar[Strengths] = tuple({"share": share} for share in (0.05, 0.1, 0.2, 0.4, 0.7))

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.share < float("inf"):
            raise ValueError(f"expected a share from 0 on, got {self.share}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the noisy copy; no data takes part."""
        model = copy.deepcopy(model)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in layers.markable(model):
                weight = layers.weight(model, layer.path)
                noise = torch.randn(weight.shape, generator=generator).to(weight)
                weight.add_(self.share * weight.std() * noise)
        return model.eval()
