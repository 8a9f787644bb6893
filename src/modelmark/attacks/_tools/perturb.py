"""Gradients on inputs, taken on the thief's own student: the stolen model gives none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks, Samples


def jacobian_signs(model: nn.Module, images: Tensor, labels: Tensor, feed: Feed) -> Tensor:
    """Return the sign of each label's score derived by the inputs, int8 like ``images``: ``(N, *input_shape)``.

    Args:
        model: the student, in evaluation mode.
        images: uint8 ``(N, *input_shape)``.
        labels: whose score, ``(N,)``; one row of the Jacobian an input.
        feed: gives the preprocessing, which increases in every pixel and so leaves signs as they are.
    """
    normalise = Normalise(feed)
    device = next(model.parameters()).device
    found = []
    for part, label in zip(images.split(256), labels.split(256), strict=True):
        x = normalise(part.to(device)).requires_grad_(True)
        score = scored(model, x).gather(1, label.to(device)[:, None]).sum()
        (slope,) = torch.autograd.grad(score, x)
        found.append(slope.sign().to(torch.int8))
    return torch.cat(found).to(images.device)


def moved(images: Tensor, signs: Tensor, step: float) -> Tensor:
    """Return uint8 images moved by ``step`` of full scale along ``signs``, cut off at the range of pixels."""
    return (images.float() + step * FULL_SCALE * signs).clamp(0, FULL_SCALE).round().to(torch.uint8)


def ends(feed: Feed, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the darkest and the brightest input as ``forward`` takes them, each ``(*input_shape)``."""
    extremes = torch.zeros(2, *feed.input_shape, dtype=torch.uint8)
    extremes[1] = FULL_SCALE
    low, high = Normalise(feed)(extremes).to(device)
    return low, high


class Adversarial(Hooks):
    """Adds to every batch examples crafted against the network as it is now.

    Projected gradient descent in the maximum norm: signs of the gradient, a random start, within the range of pixels.

    Args:
        student: the network that is being trained.
        label: of the examples ``(B, *input_shape)`` and the targets of the inputs they are made from, gives their targets.
        feed: gives the range of pixels after preprocessing.
        share: of the batch that is attacked and appended; at least one input is.
        eps, step: largest change and length of a step, of full scale.
        iterations: steps.
    """

    def __init__(
        self,
        student: nn.Module,
        label: Callable[[Tensor, Tensor], Tensor],
        feed: Feed,
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
        low, high = ends(feed, torch.device("cpu"))
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
