"""Losses of students that are more than cross-entropy on one label, as hooks of the only training loop."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from modelmark.schemes.base import Embedding

Ask = Callable[[Tensor], Tensor]
"""Scores of the stolen model: inputs as ``forward`` takes them, ``(B, *input_shape)``, to ``(B, classes)``, no gradient."""


class Distilling(Embedding):
    """Cross-entropy with probabilities at a temperature, and with labels beside them.

    The task's targets are ``(N, 2 classes)``: the soft ones, times what their share of the loss weighs, then the hard
    ones; cross-entropy is linear in its targets, so the weight can sit there.

    Args:
        temperature: divides the student's scores where the soft targets are met.
        hard: weight of the cross-entropy with the labels, at temperature 1.
    """

    def __init__(self, temperature: float, hard: float) -> None:
        super().__init__()
        self._temperature = temperature
        self._hard = hard
        self._term: Tensor | float = 0.0
        self._labels = torch.empty(0)

    def mix(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Take the targets apart."""
        soft, self._labels = y.chunk(2, dim=1)
        return x, soft

    def adjust(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return the student's scores over the temperature; the hard loss is taken from them as they are."""
        self._term = self._hard * cross_entropy(logits, self._labels) if self._hard else 0.0
        return logits / self._temperature

    def penalty(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor | float:
        """Return the hard part of the loss."""
        term, self._term = self._term, 0.0
        return term


class Imitating(Embedding):
    """Queries made while training: each batch, perturbed, is answered by the stolen model, and its answer imitated.

    Noise comes from the generator that the training loop has forked and seeded.

    Args:
        ask: the stolen model's scores.
        noise: standard deviation of what is added to every input, after preprocessing.
        squares: mean squared difference of scores instead of cross-entropy with probabilities.
    """

    def __init__(self, ask: Ask, *, noise: float = 0.0, squares: bool = False) -> None:
        super().__init__()
        self._ask = ask
        self._noise = noise
        self._squares = squares
        self._wanted = torch.empty(0)
        self._term: Tensor | float = 0.0

    def mix(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the perturbed batch and the probabilities the stolen model gives it; zeros where squares are the loss."""
        if self._noise:
            x = x + self._noise * torch.randn_like(x)
        self._wanted = self._ask(x)
        return x, torch.zeros_like(self._wanted) if self._squares else self._wanted.softmax(dim=1)

    def adjust(self, logits: Tensor, x: Tensor) -> Tensor:
        """Measure the squares; the scores pass unchanged."""
        self._term = mse_loss(logits, self._wanted) if self._squares else 0.0
        return logits

    def penalty(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor | float:
        """Return the mean squared difference of scores, where that is the loss."""
        term, self._term = self._term, 0.0
        return term
