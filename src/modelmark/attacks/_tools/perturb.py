"""Gradients on inputs, taken on the thief's own student: the stolen model gives none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.extent import Extent
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks, Samples


def jacobian_signs(model: nn.Module, inputs: Tensor, labels: Tensor, feed: Feed) -> Tensor:
    """Return the sign of each label's score derived by the inputs, int8 ``(N, *input_shape)``.

    Args:
        model: the student, in evaluation mode.
        inputs: as the feed stores them, ``(N, *input_shape)``.
        labels: whose score, ``(N,)``; one row of the Jacobian an input.
        feed: gives the preprocessing, which increases in every number and so leaves signs as they are.
    """
    normalise = Normalise(feed)
    device = next(model.parameters()).device
    found = []
    for part, label in zip(inputs.split(256), labels.split(256), strict=True):
        x = normalise(part.to(device)).requires_grad_(True)
        score = scored(model, x).gather(1, label.to(device)[:, None]).sum()
        (slope,) = torch.autograd.grad(score, x)
        found.append(slope.sign().to(torch.int8))
    return torch.cat(found).to(inputs.device)


class Adversarial(Hooks):
    """Adds to every batch examples crafted against the network as it is now.

    Projected gradient descent in the maximum norm: signs of the gradient, a random start, within the ends of the inputs.

    Args:
        student: the network that is being trained.
        label: of the examples ``(B, *input_shape)`` and the targets of the inputs they are made from, gives their targets.
        extent: gives the ends of the inputs.
        share: of the batch that is attacked and appended; at least one input is.
        eps, step: largest change and length of a step, of full scale.
        iterations: steps.
    """

    def __init__(
        self,
        student: nn.Module,
        label: Callable[[Tensor, Tensor], Tensor],
        extent: Extent,
        *,
        share: float,
        eps: float,
        step: float,
        iterations: int,
    ) -> None:
        super().__init__()
        self._student = lambda: student  # no part of this module
        self._label = label
        self._share = share
        self._eps, self._step, self._iterations = eps, step, iterations
        low, high = extent.fed(torch.device("cpu"))
        self._low: Tensor
        self._high: Tensor
        self.register_buffer("_low", low, persistent=False)
        self.register_buffer("_high", high, persistent=False)

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return the examples and their targets."""
        count = max(1, round(self._share * len(x)))
        crafted = self.crafted(x[:count], y[:count])
        return crafted, self._label(crafted, y[:count])

    def crafted(self, x: Tensor, y: Tensor) -> Tensor:
        """Return examples near ``x`` on which the student's loss against labels ``y`` is large."""
        student = self._student()
        modes = [(module, module.training) for module in student.modules()]
        student.eval()
        scale = self._high - self._low
        low = torch.maximum(x - self._eps * scale, self._low)
        high = torch.minimum(x + self._eps * scale, self._high)
        found = low + (high - low) * torch.rand_like(x)
        for _ in range(self._iterations):
            found = found.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(cross_entropy(scored(student, found), y, reduction="sum"), found)
            found = torch.minimum(torch.maximum(found + self._step * scale * slope.sign(), low), high)
        for module, training in modes:
            module.training = training
        return found.detach()
