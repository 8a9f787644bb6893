"""Adi et al. 2018: trigger pictures with labels of their own, mixed into training.

Source: Adi, Baum, Cisse, Pinkas, Keshet, "Turning your weakness into a strength: watermarking deep neural networks by
backdooring", USENIX Security 2018, arXiv 1802.04633.

A marked model answers the secret pictures with the expected labels; asking it is enough to find the mark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark import stats
from modelmark.draw import CHARGES
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence import BAR
from modelmark.interface import Interface
from modelmark.preprocess import Normalise
from modelmark.schemes import _triggers
from modelmark.schemes.base import Attachments, Carriers, Embedding, Symbols
from modelmark.secret import Secret
from modelmark.suspect import Suspect, logits

MAX_BYTES = 2**31
"""Of all pictures together: 2,048 at 1024 x 1024 in colour fit, a key made to exhaust the memory does not."""

_OBJECTIONS = {
    "drawn": "",
    "secret": "the labels come from the key, as in the paper, and could have been searched for",
    "imported": "the message was chosen, not drawn",
}


@dataclass(frozen=True)
class Adi:
    """Trigger pictures with drawn labels (black-box).

    Departs: labels are drawn after the pictures are committed (``message="drawn"``); the paper commits to both together.
    Departs: pictures are synthesised for the model's input shape; the paper crops abstract art.

    Args:
        triggers: number of pictures; left out: 100 (more below five classes), or as many as are attached.
        per_hundred: pictures mixed into every hundred samples; at least one a batch, and such that the total is even.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits).
        pictures: ``synthetic`` from the secret, or ``own`` (attached).
        message: ``drawn``; ``secret`` (literal: one commitment per picture and one per label); ``imported`` labels.
    """

    name: ClassVar[str] = "adi"
    summary: ClassVar[str] = "trigger pictures with labels of their own (Adi et al. 2018)"
    access: ClassVar[str] = "black-box"
    private: ClassVar[tuple[str, ...]] = ()

    triggers: int | None = None
    per_hundred: int = 2
    margin: float = 0.1
    pictures: Literal["synthetic", "own"] = "synthetic"
    message: Literal["drawn", "secret", "imported"] = "drawn"

    def __post_init__(self) -> None:
        if self.triggers is not None and not 1 <= self.triggers <= 16384:
            raise ValueError(f"expected 1 to 16384 triggers, got {self.triggers}")
        if not 1 <= self.per_hundred <= 100:
            raise ValueError(f"expected per_hundred from 1 to 100, got {self.per_hundred}")
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected margin >= 0, got {self.margin}")

    @property
    def _count(self) -> int:
        if self.triggers is None:
            raise ValueError("expected a resolved scheme, got one whose number of triggers is left open")
        return self.triggers

    def resolve(self, model: nn.Module, interface: Interface, attachments: Attachments) -> "Adi":
        """Fill in the number of triggers and check what is attached."""
        if self.pictures == "own" and "triggers" not in attachments:
            raise UsageError("expected own pictures, got none: see --images")
        if self.message == "imported" and "labels" not in attachments:
            raise UsageError("expected imported labels, got none: see --labels")
        fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, interface.classes))
        default = len(attachments["triggers"]) if self.pictures == "own" else max(100, fewest * 3 // 2)
        resolved = replace(self, triggers=default if self.triggers is None else self.triggers)
        resolved.carriers(Secret(bytes(32)), interface, attachments)
        resolved.chosen_message(Secret(bytes(32)), interface, attachments)
        return resolved

    def check(self, model: nn.Module, interface: Interface) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        try:
            found = logits(model, Normalise(interface)(torch.zeros(2, *interface.input_shape, dtype=torch.uint8)))
        except (RuntimeError, ValueError) as error:
            problem = str(error).splitlines()[0][:120]
            raise MismatchError(f"expected a model that takes inputs {interface.input_shape}, got: {problem}") from None
        if tuple(found.shape) != (2, interface.classes):
            raise MismatchError(f"expected outputs for {interface.classes} classes, got shape {tuple(found.shape[1:])}")

    def shape(self, interface: Interface) -> tuple[int, int]:
        """Return one symbol per picture, its alphabet all classes."""
        return self._count, interface.classes

    def objection(self) -> str:
        """Return why the labels have no exact test, if they have none."""
        return _OBJECTIONS[self.message]

    def carriers(self, secret: Secret, interface: Interface, attachments: Attachments) -> Carriers:
        """Return the pictures, uint8 ``(triggers, *input_shape)``."""
        if self._count * math.prod(interface.input_shape) > MAX_BYTES:
            raise CapacityError(f"expected at most {MAX_BYTES} bytes of pictures, got more")
        if self.pictures == "synthetic":
            return _triggers.render(secret, self._count, interface.input_shape)
        own = attachments.get("triggers", np.empty(0))
        if own.dtype != np.uint8 or own.shape[1:] != interface.input_shape:
            raise UsageError(f"expected own pictures uint8 {interface.input_shape}, got {own.dtype} {own.shape[1:]}")
        if not 1 <= self._count <= len(own):
            raise CapacityError(f"expected {self._count} own pictures, got {len(own)}")
        chosen = own[: self._count]
        repeated = self._count - len({picture.tobytes() for picture in chosen})
        if repeated:
            raise UsageError(f"expected pictures that all differ, got {repeated} repeated")
        return chosen

    def leaves(
        self, carriers: Carriers, secret: Secret, interface: Interface, attachments: Attachments
    ) -> Sequence[bytes]:
        """Return each picture as ``uint8 CxHxW``, a newline and its pixels; labels that were not drawn follow."""
        prefix = f"uint8 {'x'.join(map(str, carriers.shape[1:]))}\n".encode()
        pictures = [prefix + picture.tobytes() for picture in carriers]
        chosen = self.chosen_message(secret, interface, attachments)
        return pictures if chosen is None else pictures + [f"label {label}".encode() for label in chosen]

    def chosen_message(
        self, secret: Secret, interface: Interface, attachments: Attachments
    ) -> npt.NDArray[np.int64] | None:
        """Return the literal or imported labels, or None where the draw decides."""
        if self.message == "drawn":
            return None
        if self.message == "secret":
            return secret.integers("labels", interface.classes, self._count)
        labels = attachments.get("labels", np.empty(0)).astype(np.int64)
        if len(labels) < self._count or labels.min() < 0 or labels.max() >= interface.classes:
            raise UsageError(f"expected {self._count} labels from 0 to {interface.classes - 1}, got others")
        return labels[: self._count]

    def embedding(
        self, carriers: Carriers, message: npt.NDArray[np.int64], model: nn.Module, interface: Interface, *, seed: int
    ) -> Embedding:
        """Return the hook that appends triggers to every batch."""
        self.check(model, interface)
        inputs = Normalise(interface)(torch.from_numpy(np.ascontiguousarray(carriers)))
        return _Mixing(inputs, torch.from_numpy(message), self.per_hundred, seed)

    def extract(self, carriers: Carriers, suspect: Suspect, interface: Interface) -> Symbols:
        """Return the suspect's answer to each picture, asked once, ``(triggers,)``."""
        inputs = Normalise(interface)(torch.from_numpy(np.ascontiguousarray(carriers)))
        return Symbols(suspect.labels(inputs), queries=len(inputs))


class _Mixing(Embedding):
    """Triggers appended to each batch in a shuffled order; one mean cross-entropy then covers data and triggers.

    Few per batch, so that batch statistics remain those of the data (the paper's reason for 2 in 100).
    """

    inputs: Tensor
    labels: Tensor

    def __init__(self, inputs: Tensor, labels: Tensor, per_hundred: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("inputs", inputs, persistent=False)  # derived from the key
        self.register_buffer("labels", labels, persistent=False)
        self._per_hundred = per_hundred
        self._generator = torch.Generator().manual_seed(seed)
        self._queue = torch.empty(0, dtype=torch.int64)

    def mix(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Append the next triggers, in the memory format of ``x``; labels become one-hot where ``y`` is soft."""
        if self.inputs.device != x.device:
            self.to(x.device)
        count = _share(len(x), self._per_hundred)
        picked = self._next(count).to(x.device)
        inputs = self.inputs[picked].to(x.dtype)
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        labels = self.labels[picked]
        if y.is_floating_point():
            labels = nn.functional.one_hot(labels, y.shape[1]).to(y.dtype)
        return torch.cat([x, inputs]), torch.cat([y, labels])

    def _next(self, count: int) -> Tensor:
        while len(self._queue) < count:
            self._queue = torch.cat([self._queue, torch.randperm(len(self.labels), generator=self._generator)])
        picked, self._queue = self._queue[:count], self._queue[count:]
        return picked

    def margins(self, model: nn.Module) -> Tensor:
        """Return the lead of each trigger's label over the best other class, in logits, ``(triggers,)``."""
        outputs = logits(model, self.inputs)
        chosen = self.labels.to(outputs.device)[:, None]
        expected = outputs.gather(1, chosen)[:, 0]
        return expected - outputs.scatter(1, chosen, -torch.inf).amax(dim=1)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the order of the triggers still to come."""
        return {"queue": self._queue.clone(), "generator": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on in the order that ``get_extra_state`` recorded."""
        self._queue = state["queue"].clone()
        self._generator.set_state(state["generator"])


def _share(batch: int, per_hundred: int) -> int:
    """Return the number nearest to its share of ``batch`` that makes the total even: odd totals cost 3 to 5 % on a CPU."""
    odd = batch % 2
    return max(2 * round((batch * per_hundred / 100 - odd) / 2) + odd, 2 - odd)
