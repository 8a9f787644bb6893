"""What a mark, or an attack, does to a training loop: it changes or extends batches, says the loss, acts after steps.

::

    hooks = mark.hooks(model)
    optimizer = SGD([{"params": model.parameters()}, *hooks.param_groups()], lr=0.05)
    for x, y in loader:
        inputs, targets = hooks.batch(x, y)
        scores = modelmark.scores(model(inputs))  # of a tensor, an object with logits, a dictionary, a tuple
        loss = hooks.loss(cross_entropy(scores, targets), model, x, y, scores)
        loss.backward(); optimizer.step(); optimizer.zero_grad()
        hooks.after_step(model)          # not after the very last step
    hooks.finish(model)
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

Samples: TypeAlias = tuple[Tensor, Tensor]
"""Inputs as ``forward`` takes them, ``(N, *input_shape)``, with labels ``(N,)`` or soft targets ``(N, classes)``."""


class Hooks(nn.Module):
    """The places where a loop can be acted on; each does nothing unless it is overridden.

    Hooks hold no model. Their parameters, if any, are trained with the model's; everything they need to go on after an
    interruption is in their ``state_dict``.
    """

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return other samples in place of the loop's own, as many; what attacks do to data."""
        return x, y

    def extra(self, x: Tensor, y: Tensor) -> Samples | None:
        """Return samples to append to the loop's own; labels will do where the loop has soft targets."""
        return None

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return what the step descends on, a scalar: ``loss`` with a term added, or another in its place.

        Args:
            loss: the loop's mean cross-entropy over all samples, or what other hooks made of it.
            model: that was given the batch.
            x: the loop's own samples after ``change``; what was appended is no data.
            y: their targets.
            scores: of the whole batch, ``(N, classes)``; the first ``len(x)`` are those of ``x``.
        """
        return loss

    def after_step(self, model: nn.Module) -> None:
        """Act on the model after an optimiser step; loops leave it out after their last one."""

    def finish(self, model: nn.Module) -> None:
        """Act on the model once, when training is over."""

    def param_groups(self) -> list[dict[str, Any]]:
        """Return optimiser groups for the hooks' own parameters, outside weight decay."""
        own = list(self.parameters())
        return [{"params": own, "weight_decay": 0.0}] if own else []

    def margins(self, model: nn.Module) -> Tensor:
        """Return how clearly each symbol is read as it should be, ``(trials,)``; negative where it is not."""
        raise NotImplementedError

    @final
    def batch(self, x: Tensor, y: Tensor) -> Samples:
        """Return what the model is given for the loop's samples: these as ``change`` leaves them, then the extra ones."""
        x, y = self.change(x, y)
        more = self.extra(x, y)
        return (x, y) if more is None else joined([(x, y), more])


class Composed(Hooks):
    """Several hooks in turn, so that one model carries several marks.

    Changes and losses go from one to the next. Everything that is appended is appended to the loop's own samples; no part is
    shown what another appends, since those samples are not data and an order of keys would matter.

    Args:
        parts: applied in this order.
    """

    def __init__(self, parts: Iterable[Hooks]) -> None:
        super().__init__()
        self.parts: Sequence[Hooks] = nn.ModuleList(parts)  # type: ignore[assignment]

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Let every part change what the one before left."""
        for part in self.parts:
            x, y = part.change(x, y)
        return x, y

    def extra(self, x: Tensor, y: Tensor) -> Samples | None:
        """Return what all parts append."""
        more = [added for part in self.parts if (added := part.extra(x, y)) is not None]
        return joined(more) if more else None

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Let every part add to, or replace, what the ones before made of the loss."""
        for part in self.parts:
            loss = part.loss(loss, model, x, y, scores)
        return loss

    def after_step(self, model: nn.Module) -> None:
        """Let every part act."""
        for part in self.parts:
            part.after_step(model)

    def finish(self, model: nn.Module) -> None:
        """Let every part act."""
        for part in self.parts:
            part.finish(model)

    def param_groups(self) -> list[dict[str, Any]]:
        """Return the groups of all parts."""
        return [group for part in self.parts for group in part.param_groups()]

    def margins(self, model: nn.Module) -> Tensor:
        """Return the margins of all parts, one after another."""
        return torch.cat([part.margins(model) for part in self.parts])


def replaced(loss: Tensor, old: Tensor, new: Tensor, x: Tensor, scores: Tensor) -> Tensor:
    """Return a batch's loss with other costs for the loop's own samples; what was appended and what was added stay.

    Args:
        loss: as ``Hooks.loss`` is given it.
        old: what the loop's own samples cost in it, their mean.
        new: what they are to cost instead.
        x: the loop's own samples.
        scores: of the whole batch.
    """
    share = len(x) / len(scores)
    rest = loss - share * old
    return share * new + rest if share < 1 or rest.detach().any() else new


def joined(parts: Sequence[Samples]) -> Samples:
    """Return samples one after another, in the type and memory format of the first inputs.

    Labels become one-hot if there are soft targets among the parts.
    """
    first = parts[0][0]
    inputs, targets = [first], [y for _, y in parts]
    channels_last = first.dim() == 4 and first.is_contiguous(memory_format=torch.channels_last)
    for x, _ in parts[1:]:
        x = x.to(first.dtype)
        inputs.append(x.contiguous(memory_format=torch.channels_last) if channels_last else x)
    soft = next((y for y in targets if y.is_floating_point()), None)
    if soft is not None:
        targets = [y if y.is_floating_point() else one_hot(y, soft.shape[1]).to(soft.dtype) for y in targets]
    return torch.cat(inputs), torch.cat(targets)
