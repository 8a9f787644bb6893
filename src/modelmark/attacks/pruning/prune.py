"""Magnitude pruning: the smallest weights become zero, over the whole network or layer by layer."""

import copy
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn
from torch.nn.utils import prune

from modelmark import layers
from modelmark.attacks.base import Kind, Strengths
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Prune:
    """Zero the smallest weights of all convolution and linear layers; nothing is trained afterwards.

    Source: Han et al. 2015, arXiv 1506.02626; as an attack on marks in Uchida et al. 2017, section 4.4.

    Args:
        amount: share of the weights, between 0 and 1.
        scope: ``global`` ranks all weights together, ``layer`` each layer's for itself.
    """

    name: ClassVar[str] = "prune"
    summary: ClassVar[str] = "zero the smallest weights, globally or per layer"
    source: ClassVar[str] = "Uchida et al. 2017, arXiv 1701.04082"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "pruning"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"amount": amount} for amount in (0.2, 0.5, 0.8, 0.9, 0.95))

    amount: float = 0.5
    scope: Literal["global", "layer"] = "global"

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1:
            raise ValueError(f"expected an amount from 0 to 1, got {self.amount}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the pruned copy; neither data nor chance takes part."""
        model = copy.deepcopy(model)
        chosen = [(layers.unwrapped(model).get_submodule(layer.path), "weight") for layer in layers.markable(model)]
        if self.scope == "global":
            prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=self.amount)
        else:
            for module, name in chosen:
                prune.l1_unstructured(module, name, amount=self.amount)  # type: ignore[no-untyped-call]
        for module, name in chosen:
            prune.remove(module, name)  # type: ignore[no-untyped-call]
        return model.eval()
