"""Fine-pruning: channels that clean data leave idle are cut before fine-tuning."""

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.pruning._activity import activity
from modelmark.attacks.tuning._settings import require
from modelmark.errors import UsageError
from modelmark.hooks import Hooks
from modelmark.preprocess import Normalise
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class FinePrune(Attack):
    """Zero the channels of the last convolution that clean data excite least, then fine-tune with them kept at zero.

    Source: Liu, Dolan-Gavitt and Garg 2018, "Fine-pruning", arXiv 1805.12185.
    Departs: activity is the mean of the positive part of the layer's output, before any normalisation; in a network without
    convolutions the last hidden layer takes the place of the last convolution.

    Args:
        amount: share of the layer's channels to cut.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "fine-prune"
    summary: ClassVar[str] = "cut channels that clean data leave idle, then fine-tune"
    source: ClassVar[str] = "Liu et al. 2018, arXiv 1805.12185"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "pruning"
    strengths: ClassVar[Strengths] = tuple({"amount": amount} for amount in (0.3, 0.5, 0.7, 0.85, 0.95))

    amount: float = 0.7
    rate: float = 0.02
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, amount=self.amount)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy with fewer live channels.

        Raises:
            UsageError: the model has no hidden layer.
        """
        path = cut_layer(model)
        activity = mean_activity(model, path, task)
        idle = activity.argsort()[: round(self.amount * len(activity))]
        pruned = copy.deepcopy(model)
        _zero(pruned, path, idle)
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(pruned, task, recipe, seed=seed, hooks=lambda copied: _Cut(path, idle), watch=watch)


def cut_layer(model: nn.Module) -> str:
    """Return the path of the last convolution, or of the last hidden layer where there is none."""
    head = layers.head(model)
    hidden = [layer for layer in layers.markable(model) if layer.path != head]
    if not hidden:
        raise UsageError("expected a hidden layer whose channels can be cut, the model has none")
    kernels = [layer for layer in hidden if len(layer.kernel) > 1]
    return (kernels or hidden)[-1].path


def mean_activity(model: nn.Module, path: str, task: Task) -> Tensor:
    """Return how strongly clean data excite each channel of a layer, ``(channels,)``."""
    return activity(model, [path], Normalise(task.interface)(task.train_inputs[:5000]))[path]


class _Cut(Hooks):
    """Keeps channels at zero."""

    def __init__(self, path: str, idle: Tensor) -> None:
        super().__init__()
        self._path = path
        self._idle = idle

    def after_step(self, model: nn.Module) -> None:
        """Zero the channels again."""
        _zero(model, self._path, self._idle)

    def finish(self, model: nn.Module) -> None:
        """Zero them after the last step."""
        _zero(model, self._path, self._idle)


def _zero(model: nn.Module, path: str, idle: Tensor) -> None:
    with torch.no_grad():
        for parameter in layers.unwrapped(model).get_submodule(path).parameters():
            parameter[idle] = 0
