"""Weight merging: the stolen model averaged with a copy of it that went elsewhere."""

import copy
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.attacks.tuning.refit import Refit
from modelmark.task import Task
from modelmark.training import Watch


class Average(Attack):
    """Average the weights of the stolen model and of a copy fine-tuned from a large rate.

    Source: Wortsman et al. 2022, "Model soups", arXiv 2203.05482 (averaging fine-tuned models); as an attack on marks, the
    merging of models that share an origin.

    Args:
        share: of the fine-tuned copy in the average.
        peak: learning rate at the beginning of its training.
        epochs: passes over the thief's data.

    """

    name: ClassVar[str] = "average"
    summary: ClassVar[str] = "average with a copy fine-tuned from a large rate"
    source: ClassVar[str] = "Wortsman et al. 2022, arXiv 2203.05482"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "merging"
    strengths: ClassVar[Strengths] = (
        {"share": 0.3},
        {"share": 0.5},
        {"share": 0.7},
        {"share": 0.7, "peak": 0.1},
        {"share": 0.9, "peak": 0.1},
    )

    share: float = 0.5
    peak: float = 0.05
    epochs: int = 15

    def __post_init__(self) -> None:
        require(epochs=self.epochs, rate=self.peak, share=self.share)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the average."""
        other = Refit(self.peak, self.epochs)(model, task, seed=seed, watch=watch).state_dict()
        merged = copy.deepcopy(model)
        with torch.no_grad():
            for name, value in merged.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(other[name].to(value), self.share)
        return merged.eval()
