"""Kim et al. 2023: the owner's own pictures with labels of their own, made hard to leave before each step.

Source: Kim, Lee, Lee, Son, Hwang, "Margin-based neural network watermarking", ICML 2023 (PMLR 202); constants from the release.

Before a step a few gradient steps on the triggers make the loss on them larger; the network is trained on where they led. The
labels then hold around the triggers too, and the hope is that a copy cannot help taking them over.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.carriers.pictures import Pictures
from modelmark.errors import MismatchError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.key.secret import Secret
from modelmark.networks import taps
from modelmark.networks.calling import scored
from modelmark.schemes import blackbox
from modelmark.schemes._labelled import Labelled, picked
from modelmark.schemes.base import Material
from modelmark.training.hooks import Hooks, Samples
from modelmark.training.task import Task


@dataclass(frozen=True)
class Margin(Labelled):
    """The owner's own pictures with drawn labels, trained with a margin around them (black-box).

    Departs: labels are drawn after the pictures are committed, over all classes; the paper's are chosen, never the true one.
    Departs: pictures come from the data that ``keygen`` is given. The paper holds them out of training: give ``keygen`` others
    than ``embed``; where they are the same, training goes on to show each with its true label too.
    Departs: the network is in evaluation mode while triggers are moved, so that its running statistics are those of data.

    Args:
        triggers: number of pictures; left out: 100 (more below five classes).
        per_hundred: of them in every hundred samples of a batch, such that the total is even; 25 beside 128 in the release.
        steps: of the gradient, before each step of training.
        step: length of one, in grey levels of 255.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret`` (literal: a label other than the true one, from the key).
    """

    name: ClassVar[str] = "margin"
    summary: ClassVar[str] = "own pictures with labels of their own, held by a margin (Kim et al. 2023)"

    per_hundred: int = 20
    steps: int = 5
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.per_hundred <= 100 and 0 <= self.steps <= 100):
            raise ValueError(f"expected per_hundred and steps up to 100, got {self.per_hundred} and {self.steps}")
        if not 0 < self.step <= FULL_SCALE:
            raise ValueError(f"expected a step of up to {FULL_SCALE} grey levels, got {self.step}")

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``pictures``, picked by the secret, and for the literal form what they show, ``labels``."""
        places = picked(secret, self.name, task, self._count)
        assert task is not None
        found = {"pictures": task.train_inputs.cpu().numpy()[places]}
        if self.message == "secret":
            found["labels"] = task.labels.cpu().numpy()[places].astype(np.int64)
        return found

    def objection(self) -> str:
        """Return why the literal labels have no exact test."""
        return (
            ""
            if self.message == "drawn"
            else "the labels come from the key, as in the paper, and could have been searched for"
        )

    def _shown(self, material: Material) -> Array:
        return blackbox.attached(material.attachments, "pictures", (self._count,), material.feed)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return labels from the key, none of them the true one, or None where the draw decides."""
        if self.message == "drawn":
            return None
        classes, shown = material.feed.classes, material.attachments.get("labels", np.empty(0))
        if shown.dtype != np.int64 or shown.shape != (self._count,) or shown.min() < 0 or shown.max() >= classes:
            raise MismatchError(
                f"expected {self._count} labels from 0 to {classes - 1}, got {shown.dtype} {shown.shape}"
            )
        if classes < 2:
            raise MismatchError(f"expected at least two classes, got {classes}")
        return (shown + 1 + material.secret.integers("margin/labels", classes - 1, self._count)) % classes

    def hooks(self, carriers: Pictures, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that appends moved triggers to every batch."""
        self.check(model, carriers.feed)
        return Climbing(model, carriers, torch.from_numpy(message), self, seed)


class Climbing(blackbox.Mixing):
    """Appends triggers moved to where the network, as it is now, likes their labels less.

    Args:
        model: that is trained; no part of this module.
        carriers: the triggers.
        labels: of each, ``(triggers,)``.
        scheme: how far they are moved, and how many are appended.
        seed: of the order.
    """

    def __init__(self, model: nn.Module, carriers: Pictures, labels: Tensor, scheme: Margin, seed: int) -> None:
        super().__init__(blackbox.pictures(carriers.pictures, carriers.feed), labels, scheme.per_hundred, seed)
        self._model = lambda: model
        self._steps = scheme.steps
        low, high = _ends(carriers.feed)
        self._low: Tensor
        self._high: Tensor
        self._step: Tensor
        for name, value in (("_low", low), ("_high", high), ("_step", scheme.step / FULL_SCALE * (high - low))):
            self.register_buffer(name, value, persistent=False)  # derived from the feed

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return the next triggers, moved."""
        inputs, labels = super().extra(x, y)
        model = self._model()
        with taps.evaluating(model), taps.aside(), torch.enable_grad():
            for _ in range(self._steps):
                inputs = inputs.detach().requires_grad_(True)
                (slope,) = torch.autograd.grad(cross_entropy(scored(model, inputs), labels), inputs)
                inputs = (inputs + self._step * slope.sign()).clamp(self._low, self._high)
        return inputs.detach(), labels


def _ends(feed: Feed) -> tuple[Tensor, Tensor]:
    """Return the darkest and the brightest input as ``forward`` takes them, each ``(*input_shape)``."""
    extremes = np.zeros((2, *feed.input_shape), np.uint8)
    extremes[1] = FULL_SCALE
    low, high = blackbox.pictures(extremes, feed)
    return low, high
