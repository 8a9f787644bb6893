"""What the schemes share that are read by asking: triggers beside data, and their labels' lead."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.errors import MismatchError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.tensors import Normalise
from modelmark.key.draw import CHARGES
from modelmark.schemes.base import Attachments
from modelmark.suspects.module import logits
from modelmark.training.hooks import Hooks, Samples

READING = "largest output, ties to the lowest class"
HEADROOM = 2.0
"""By how much more than its margin a label leads, in logits, when a network's last part has learnt it."""


def check(model: nn.Module, feed: Feed) -> None:
    """Raise MismatchError unless the model takes the key's inputs and scores its classes; texts are asked of functions alone."""
    if feed.kind == "texts":
        return
    try:
        found = logits(model, pictures(feed.example(2), feed))
    except (RuntimeError, ValueError, IndexError) as error:
        problem = str(error).splitlines()[0][:120]
        raise MismatchError(f"expected a model that takes inputs {feed.input_shape}, got: {problem}") from None
    if tuple(found.shape) != (2, feed.classes):
        raise MismatchError(f"expected outputs for {feed.classes} classes, got shape {tuple(found.shape[1:])}")


def enough(feed: Feed, values: int | None = None) -> int:
    """Return how many symbols a key has where nobody says it: 100, or more of few values: offline keys need some.

    Args:
        feed: of the key.
        values: that a symbol may have; None: one for each class.
    """
    fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, values or feed.classes))
    return max(100, fewest * 3 // 2)


def pictures(carriers: Array, feed: Feed) -> Tensor:
    """Return stored inputs ``(N, *input_shape)`` as ``forward`` takes them."""
    return Normalise(feed)(torch.from_numpy(np.ascontiguousarray(carriers)))


def attached(attachments: Attachments, name: str, count: tuple[int, ...], feed: Feed) -> Array:
    """Return the inputs attached under ``name``, as the feed stores them, ``(*count, *input_shape)``.

    Raises:
        MismatchError: there are none, or others.
    """
    found, expected = attachments.get(name, np.empty(0)), (*count, *feed.input_shape)
    if found.dtype != feed.dtype or found.shape != expected:
        raise MismatchError(f"expected attached {name} {feed.dtype} {expected}, got {found.dtype} {found.shape}")
    return found


def hard(y: Tensor) -> Tensor:
    """Return labels ``(B,)`` from labels or soft targets."""
    return y.argmax(dim=1) if y.is_floating_point() else y


def share(batch: int, per_hundred: int) -> int:
    """Return the number nearest to its share of ``batch`` that makes the total even: odd totals cost 3 to 5 % on a CPU."""
    odd = batch % 2
    return max(2 * round((batch * per_hundred / 100 - odd) / 2) + odd, 2 - odd)


def lead(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return how far each label is ahead of the best other class, in logits, ``(N,)``."""
    outputs = logits(model, inputs)
    chosen = labels.to(outputs.device)[:, None]
    expected = outputs.gather(1, chosen)[:, 0]
    return expected - outputs.scatter(1, chosen, -torch.inf).amax(dim=1)


def vote_lead(answers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """Return how far each label leads among its answers ``(P, queries)``, as a share of them, ``(P,)``.

    Ties go to the lowest class, as in ``plurality``: a class is worth up to one vote less the higher it is,
    so that a lead is never zero, and above zero exactly where the plurality is the label.
    """
    each = np.arange(len(labels))
    score = (answers[:, :, None] == np.arange(classes)).sum(axis=1) - np.arange(classes) / classes
    expected = score[each, labels]
    score[each, labels] = -np.inf
    return np.asarray((expected - score.max(axis=1)) / answers.shape[1])


class Mixing(Hooks):
    """Triggers appended to each batch in a shuffled order; one mean cross-entropy then covers data and triggers.

    Few per batch, so that batch statistics remain those of the data (the reason of Adi et al. for 2 in 100).

    Args:
        inputs: all triggers as ``forward`` takes them, ``(N, *input_shape)``.
        labels: ``(N,)``.
        per_hundred: triggers for every hundred samples of the batch; see ``share``.
        seed: of the order.
    """

    inputs: Tensor
    labels: Tensor

    def __init__(self, inputs: Tensor, labels: Tensor, per_hundred: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("inputs", inputs, persistent=False)  # derived from the key
        self.register_buffer("labels", labels, persistent=False)
        self._per_hundred = per_hundred
        self._order = Order(len(labels), seed)

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return the next triggers."""
        if self.inputs.device != x.device:
            self.to(x.device)
        picked = self._order.next(share(len(x), self._per_hundred)).to(x.device)
        return self.inputs[picked], self.labels[picked]

    def margins(self, model: nn.Module) -> Tensor:
        """Return the lead of each trigger's label over the best other class, in logits, ``(triggers,)``."""
        return lead(model, self.inputs, self.labels)

    @property
    def repeated(self) -> Samples:
        """All triggers with their labels."""
        return self.inputs, self.labels

    @property
    def per_hundred(self) -> int:
        """Triggers for every hundred samples."""
        return self._per_hundred

    def get_extra_state(self) -> dict[str, Any]:
        """Return the order of the triggers still to come."""
        return self._order.state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on in the order that ``get_extra_state`` recorded."""
        self._order.state = state


class Order:
    """Numbers of carriers in a shuffled order, over and over.

    Args:
        count: of the carriers.
        seed: of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._generator = torch.Generator().manual_seed(seed)
        self._queue = torch.empty(0, dtype=torch.int64)

    def next(self, count: int) -> Tensor:
        """Return the next numbers, int64 ``(count,)``."""
        while len(self._queue) < count:
            self._queue = torch.cat([self._queue, torch.randperm(self._count, generator=self._generator)])
        picked, self._queue = self._queue[:count], self._queue[count:]
        return picked

    @property
    def state(self) -> dict[str, Any]:
        """Where it stands."""
        return {"queue": self._queue.clone(), "generator": self._generator.get_state()}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._queue = state["queue"].clone()
        self._generator.set_state(state["generator"])


class Appended:
    """A scheme of inputs that are asked as they are, and appended to batches with their labels."""

    per_hundred: int

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        check(model, feed)

    def labels(self, carriers: Any, message: npt.NDArray[np.int64]) -> Tensor:
        """Return which class each input is trained as, int64 ``(N,)``: its symbol."""
        return torch.from_numpy(message)

    def hooks(self, carriers: Any, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that appends inputs to every batch."""
        self.check(model, carriers.feed)
        return self.appended(carriers, message, seed=seed)

    def appended(self, carriers: Any, message: npt.NDArray[np.int64], *, seed: int) -> Hooks:
        """Return the same for any model."""
        inputs = pictures(carriers.pictures, carriers.feed)
        return Mixing(inputs, self.labels(carriers, message), self.per_hundred, seed)
