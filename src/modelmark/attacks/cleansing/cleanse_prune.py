"""Neural Cleanse by pruning: the features that a reconstructed trigger excites are cut off from the head."""

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark import layers, taps
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._trigger import reconstruct
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks
from modelmark.preprocess import Normalise
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class CleansePrune(Attack):
    """Cut the features before the head whose activation a reconstructed trigger raises most, then fine-tune.

    Features are cut by zeroing their weights in the head, where they stay zero.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P 2019, section VI.B; the fixed share and the fine-tuning: Lukas et
    al. 2022, arXiv 2108.04974.
    Departs: where no class stands out, the smallest trigger is taken; a fixed share is cut instead of as much as stops the
    trigger.

    Args:
        steps: of the reconstruction.
        amount: share of the features to cut.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "cleanse-prune"
    summary: ClassVar[str] = "reconstruct triggers (Neural Cleanse), then cut what they excite"
    source: ClassVar[str] = "Wang et al. 2019, IEEE S&P"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"amount": 0.02},
        {"amount": 0.1},
        {"amount": 0.3},
        {"amount": 0.6},
        {"amount": 0.9, "rate": 0.05},
    )

    steps: int = 150
    amount: float = 0.1
    rate: float = 0.01
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, amount=self.amount)
        if self.steps < 1:
            raise ValueError(f"expected at least one step, got {self.steps}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy whose head ignores some features."""
        triggers = reconstruct(model, task, steps=self.steps, seed=seed)
        clean = Normalise(task.interface)(task.train_inputs[:1000]).to(triggers.masks.device)
        before = features(model, clean)
        raised = torch.stack([
            features(model, triggers.stamped(clean, suspect.expand(len(clean)))) - before
            for suspect in triggers.suspicious()
        ]).amax(dim=0)  # fmt: skip
        cut = raised.argsort(descending=True)[: round(self.amount * len(raised))]
        model = copy.deepcopy(model)
        _cut(model, cut)
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(model, task, recipe, seed=seed, hooks=lambda copied: _Cut(cut), watch=watch)


def features(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the mean activation of each feature that the head receives, ``(features,)``."""
    head = layers.head(model)
    width = layers.weight(model, head).shape[1]
    return taps.activations(model, head, inputs).view(len(inputs), width, -1).mean(dim=(0, 2))


class _Cut(Hooks):
    """Keeps features cut off."""

    def __init__(self, cut: Tensor) -> None:
        super().__init__()
        self._features = cut

    def after_step(self, model: nn.Module) -> None:
        """Cut them again."""
        _cut(model, self._features)

    def finish(self, model: nn.Module) -> None:
        """Cut them after the last step."""
        _cut(model, self._features)


def _cut(model: nn.Module, cut: Tensor) -> None:
    with torch.no_grad():
        layers.weight(model, layers.head(model))[:, cut] = 0
