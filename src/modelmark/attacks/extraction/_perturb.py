"""Gradients on inputs, taken on the thief's own student: the stolen model gives none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.interface import FULL_SCALE, Interface
from modelmark.preprocess import Normalise
from modelmark.schemes.base import Embedding


def jacobian_signs(model: nn.Module, images: Tensor, labels: Tensor, interface: Interface) -> Tensor:
    """Return the sign of each label's score derived by the inputs, int8 like ``images``: ``(N, *input_shape)``.

    Args:
        model: the student, in evaluation mode.
        images: uint8 ``(N, *input_shape)``.
        labels: whose score, ``(N,)``; one row of the Jacobian an input.
        interface: gives the preprocessing, which increases in every pixel and so leaves signs as they are.
    """
    normalise = Normalise(interface)
    device = next(model.parameters()).device
    found = []
    for part, label in zip(images.split(256), labels.split(256), strict=True):
        x = normalise(part.to(device)).requires_grad_(True)
        score = model(x).gather(1, label.to(device)[:, None]).sum()
        (slope,) = torch.autograd.grad(score, x)
        found.append(slope.sign().to(torch.int8))
    return torch.cat(found).to(images.device)


def moved(images: Tensor, signs: Tensor, step: float) -> Tensor:
    """Return uint8 images moved by ``step`` of full scale along ``signs``, cut off at the range of pixels."""
    return (images.float() + step * FULL_SCALE * signs).clamp(0, FULL_SCALE).round().to(torch.uint8)


class Adversarial(Embedding):
    """Adds to every batch examples crafted against the student as it is now, labelled by the stolen model.

    Projected gradient descent in the maximum norm: signs of the gradient, a random start, within the range of pixels.

    Args:
        student: returns the network that is being trained.
        ask: the stolen model's scores, ``(B, *input_shape)`` to ``(B, classes)``.
        interface: gives the range of pixels after preprocessing.
        share: of the batch that is attacked and appended.
        eps, step: largest change and length of a step, of full scale.
        iterations: steps.
    """

    def __init__(
        self,
        student: Callable[[], nn.Module],
        ask: Callable[[Tensor], Tensor],
        interface: Interface,
        *,
        share: float,
        eps: float,
        step: float,
        iterations: int,
    ) -> None:
        super().__init__()
        self._student = student
        self._ask = ask
        self._share = share
        self._eps, self._step, self._iterations = eps, step, iterations
        ends = torch.tensor([0, FULL_SCALE], dtype=torch.uint8).view(2, *(1 for _ in interface.input_shape))
        ends = Normalise(interface)(ends.expand(2, *interface.input_shape[:1], *interface.input_shape[1:]))
        self._low: Tensor
        self._high: Tensor
        self.register_buffer("_low", ends[:1].clone(), persistent=False)
        self.register_buffer("_high", ends[1:].clone(), persistent=False)

    def mix(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch with the examples and the stolen model's labels for them appended."""
        count = max(1, round(self._share * len(x)))
        crafted = self.crafted(x[:count], y[:count])
        return torch.cat([x, crafted]), torch.cat([y, self._ask(crafted).argmax(dim=1)])

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
            (slope,) = torch.autograd.grad(cross_entropy(student(found), y, reduction="sum"), found)
            found = torch.minimum(torch.maximum(found + self._step * scale * slope.sign(), low), high)
        for module, training in modes:
            module.training = training
        return found.detach()
