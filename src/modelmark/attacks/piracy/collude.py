"""Collusion: buyers whose copies carry different marks make one model of them."""

import copy
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


class Collude(Attack):
    """Combine the weights of several copies, one by one.

    Averaging keeps the accuracy of copies that were marked from one host; copies trained from different initial weights do
    not line up, and their mean is worth nothing. In the digits audit the mean of two copies shows 38 of 100 triggers (``adi``),
    or 175 of 200 bits (``deepsigns``), at no loss of accuracy.

    Source: the averaging attack of Chen et al. 2019, DeepMarks, arXiv 1804.03648; the minimum, maximum and median of
    multimedia fingerprinting are in Wu et al. 2004, "Collusion-resistant fingerprinting for multimedia".

    Args:
        how: ``mean``, ``median`` (of an even number the mean of the middle two), or ``mix``: each weight from a copy
            drawn at random.
    """

    name: ClassVar[str] = "collude"
    summary: ClassVar[str] = "combine copies with different marks, weight by weight"
    source: ClassVar[str] = "Chen et al. 2019, arXiv 1804.03648"
    kind: ClassVar[Kind] = "collusion"
    family: ClassVar[str] = "piracy"
    strengths: ClassVar[Strengths] = ({"how": "mean"}, {"how": "median"}, {"how": "mix"})

    how: Literal["mean", "median", "mix"] = "mean"

    def __post_init__(self) -> None:
        if self.how not in ("mean", "median", "mix"):
            raise ValueError(f"expected mean, median or mix, got {self.how!r}")

    def __call__(self, models: Sequence[nn.Module], task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the combined model; neither data nor training takes part.

        Raises:
            UsageError: fewer than two copies, or copies of different architectures.
        """
        if len(models) < 2:
            raise UsageError(f"expected at least two copies, got {len(models)}")
        states = [model.state_dict() for model in models]
        shapes = [{name: value.shape for name, value in state.items()} for state in states]
        if any(other != shapes[0] for other in shapes):
            raise UsageError("expected copies of one architecture, got different parameters")
        generator = torch.Generator().manual_seed(seed)
        combined = copy.deepcopy(models[0])
        with torch.no_grad():
            for name, value in combined.state_dict().items():
                if value.is_floating_point():
                    value.copy_(self._of(torch.stack([state[name].to(value.device) for state in states]), generator))
        return combined.eval()

    def _of(self, stacked: Tensor, generator: torch.Generator) -> Tensor:
        if self.how == "mean":
            return stacked.mean(dim=0)
        if self.how == "median":
            ordered = stacked.sort(dim=0).values
            return (ordered[(len(stacked) - 1) // 2] + ordered[len(stacked) // 2]) / 2
        picked = torch.randint(0, len(stacked), stacked.shape[1:], generator=generator).to(stacked.device)
        return stacked.gather(0, picked[None])[0]
