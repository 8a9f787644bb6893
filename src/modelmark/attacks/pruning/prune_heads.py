"""Pruning of attention: whole heads are silenced."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools import blocks
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Within, sweep
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks
from modelmark.training.recipe import constant
from modelmark.training.task import Task

_SHOWN, _PART = 256, 8


class PruneHeads(Removal, family="pruning"):
    """Silence the heads of attention on which the loss depends least, then fine-tune while they stay silent.

    The dependence is the size of the loss's gradient with respect to a factor on each head, on the thief's data, brought to
    length 1 in each block. One head of each block stays.

    Source: Michel et al. 2019, arXiv 1905.10650; "Are sixteen heads really better than one?".
    Departs: weights behind a silent head are zeros and stay where they are, so that shapes do not change; gradients of eight
    samples at a time.
    """

    strengths = sweep(amount=(0.1, 0.25, 0.5, 0.75, 0.9))

    amount: Annotated[float, Within(0, 1, open="high"), "of all heads to silence"] = 0.25
    rate: Rate = 0.02
    epochs: Epochs = 4
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with silent heads.

        Raises:
            UsageError: the model has no attention of several heads.
        """
        model = layers.unwrapped(stolen)
        found = blocks.attentions(model)
        silent = _least(_importance(model, found, thief.task), self.amount)
        masks = dict(zip(found, silent, strict=True))
        _silence(model, masks)
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return thief.fit(model, recipe, hooks=lambda copied: _Silent(masks))


class _Silent(Hooks):
    """Silences heads after every step."""

    def __init__(self, masks: dict[blocks.Attention, Tensor]) -> None:
        super().__init__()
        self._masks = masks

    def after_step(self, model: nn.Module) -> None:
        _silence(model, self._masks)

    finish = after_step


def _silence(model: nn.Module, masks: dict[blocks.Attention, Tensor]) -> None:
    with torch.no_grad():
        for attention, silent in masks.items():
            attention.columns(model)[:, silent] = 0


def _importance(model: nn.Module, found: list[blocks.Attention], task: Task) -> list[Tensor]:
    """Return for each block the mean size of the loss's gradient with respect to a factor on each head, ``(heads,)``.

    A factor on a head is one on the weights that it goes through: its gradient is theirs, times themselves, summed.
    """
    device = next(model.parameters()).device
    normalise, totals = Normalise(task.feed), [torch.zeros(attention.heads, device=device) for attention in found]
    for inputs, targets in zip(
        task.train_inputs[:_SHOWN].split(_PART), task.train_targets[:_SHOWN].split(_PART), strict=True
    ):
        loss = cross_entropy(scored(model, normalise(inputs.to(device))), targets.to(device))
        weights = [layers.weight(model, attention.path) for attention in found]
        for total, attention, gradient in zip(totals, found, torch.autograd.grad(loss, weights), strict=True):
            columns = attention.columns(model, gradient) * attention.columns(model)
            total += columns.detach().sum(dim=(0, 2)).abs()
    return totals


def _least(importance: list[Tensor], amount: float) -> list[Tensor]:
    """Return for each block which heads matter least, bool ``(heads,)``: an ``amount`` of all, but never the last of a block."""
    scaled = [each / each.norm().clamp(min=torch.finfo(each.dtype).tiny) for each in importance]
    for each in scaled:
        each[each.argmax()] = torch.inf
    flat = torch.cat(scaled)
    count = min(int(amount * len(flat)), int(flat.isfinite().sum()))
    silent = torch.zeros_like(flat, dtype=torch.bool)
    silent[flat.argsort(stable=True)[:count]] = True
    return list(silent.split([len(each) for each in scaled]))
