"""Bansal et al. 2022: trigger pictures trained under noise on all weights, so that it can be proved what small changes leave.

Source: Bansal, Chiang, Curry, Jain, Wigington, Manjunatha, Dickerson, Goldstein, "Certified neural network watermarks with
randomized smoothing", ICML 2022 (PMLR 162); pictures of Zhang et al. 2018.

The bound itself is read of a marked network, of this scheme or another: see ``marks.certifying``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from modelmark.carriers.pictures import Pictures
from modelmark.networks import taps
from modelmark.networks.layers import unwrapped
from modelmark.networks.noisy import moved, noisy
from modelmark.networks.outputs import scores as scores_of
from modelmark.schemes import blackbox
from modelmark.schemes._overlaid import Overlaid
from modelmark.training.hooks import Hooks

LOOKS = 9
"""Draws of noise under which it is looked how clearly a network answers."""


@dataclass(frozen=True)
class Certified(Overlaid):
    """Trigger pictures with drawn labels that hold under noise on all weights (black-box).

    Departs: labels are drawn after the pictures are committed (``message="drawn"``); the paper gives all triggers one.
    Departs: in each step triggers are shown as they are and under a few draws of noise, whose deviation is drawn up to ``sigma``.
    The release has epochs of data alone, and after each some steps on triggers with noise that grows from step to step.
    Departs: the network is in evaluation mode under noise, so that its running statistics are those of data.

    Args:
        sigma: deviation of the noise on each parameter, of weights as they are; 1 in the release.
        draws: of noise in each step.
        weight: of what triggers cost under noise, beside the mean cost of the batch.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits), as the network
            is and in most of a few draws of noise at ``sigma``.
    """

    name: ClassVar[str] = "certified"
    summary: ClassVar[str] = "triggers that hold under noise on the weights, with a proved bound (Bansal et al. 2022)"

    kind: Literal["content", "noise", "unrelated"] = "unrelated"
    per_hundred: int = 16
    sigma: float = 0.03
    draws: int = 2
    weight: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.sigma < float("inf"):
            raise ValueError(f"expected a sigma above 0, got {self.sigma}")
        if not 1 <= self.draws <= 1000:
            raise ValueError(f"expected 1 to 1000 draws, got {self.draws}")
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"expected weight >= 0, got {self.weight}")

    def hooks(self, carriers: Pictures, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hooks that append triggers to every batch, and show them to the network under noise."""
        self.check(model, carriers.feed)
        return Shaken(blackbox.pictures(carriers.pictures, carriers.feed), torch.from_numpy(message), self, seed)


class Shaken(blackbox.Mixing):
    """Appends triggers, and adds what as many cost under noise on the weights.

    Args:
        inputs: all triggers as ``forward`` takes them, ``(N, *input_shape)``.
        labels: ``(N,)``.
        scheme: how much noise, and how often.
        seed: of the order and the noise.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, scheme: Certified, seed: int) -> None:
        super().__init__(inputs, labels, scheme.per_hundred, seed)
        self._sigma, self._draws, self._weight = scheme.sigma, scheme.draws, scheme.weight
        self._shaken = blackbox.Order(len(labels), seed + 1)
        self._generator = torch.Generator().manual_seed(seed)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the loss with the mean cross-entropy under noise of as many triggers as are appended, at their weight."""
        inner, share = unwrapped(model), blackbox.share(len(x), self.per_hundred)
        costs = []
        with taps.evaluating(inner), taps.aside(), torch.enable_grad():
            for _ in range(self._draws):
                picked = self._shaken.next(share).to(self.inputs.device)
                deviation = self._sigma * float(torch.rand((), generator=self._generator))
                found = functional_call(inner, moved(inner, deviation, self._generator), (self.inputs[picked],))
                costs.append(cross_entropy(scores_of(found), self.labels[picked]))
        return loss + self._weight * torch.stack(costs).mean()

    def margins(self, model: nn.Module) -> Tensor:
        """Return the lead of each trigger's label, as the network is or in most draws of noise, if that is less, ``(N,)``."""
        generator = torch.Generator().manual_seed(0)
        shaken = [
            blackbox.lead(noisy(model, self._sigma, generator), self.inputs, self.labels).cpu() for _ in range(LOOKS)
        ]
        return torch.minimum(super().margins(model).cpu(), torch.stack(shaken).median(dim=0).values)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the orders still to come, and where the noise stands."""
        return {
            **super().get_extra_state(),
            "shaken": self._shaken.state,
            "noise": self._generator.get_state(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_extra_state`` recorded."""
        super().set_extra_state(state)
        self._shaken.state = state["shaken"]
        self._generator.set_state(state["noise"])
