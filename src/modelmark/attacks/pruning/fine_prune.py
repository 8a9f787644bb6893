"""Fine-pruning: channels that clean data leave idle are cut before fine-tuning."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.activity import activity
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Share, sweep
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.training.hooks import Hooks
from modelmark.training.task import Task


class FinePrune(Removal, family="pruning"):
    """Cut the channels of the last convolution that clean data excite least, then fine-tune with them kept at zero.

    Source: Liu et al. 2018, arXiv 1805.12185; "Fine-pruning".
    Departs: activity is the mean of the positive part of the layer's output, before any normalisation; in a network without
    convolutions the last hidden layer takes the place of the last convolution.
    """

    strengths = sweep(amount=(0.3, 0.5, 0.7, 0.85, 0.95))

    amount: Annotated[Share, "of the layer's channels to cut"] = 0.7
    rate: Rate = 0.02
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with fewer live channels.

        Raises:
            UsageError: the model has no hidden layer.
        """
        path = cut_layer(stolen)
        excited = mean_activity(stolen, path, thief.task)
        cut = _Cut(path, excited.argsort()[: round(self.amount * len(excited))])
        cut.after_step(stolen)
        return thief.tune(stolen, self, hooks=lambda copied: cut)


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
    return activity(model, [path], Normalise(task.feed)(task.train_inputs[:5000]))[path]


class _Cut(Hooks):
    """Keeps channels at zero."""

    def __init__(self, path: str, idle: Tensor) -> None:
        super().__init__()
        self._path, self._idle = path, idle

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Zero them again."""
        for parameter in layers.unwrapped(model).get_submodule(self._path).parameters():
            parameter[self._idle] = 0

    finish = after_step
