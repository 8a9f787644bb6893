"""Adi et al. 2018: trigger pictures with labels of their own, mixed into training.

Source: Adi, Baum, Cisse, Pinkas, Keshet, "Turning your weakness into a strength: watermarking deep neural networks by
backdooring", USENIX Security 2018, arXiv 1802.04633.

A marked model answers the secret pictures with the expected labels; asking it is enough to find the mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark import stats
from modelmark.draw import CHARGES
from modelmark.errors import CapacityError, UsageError
from modelmark.evidence import BAR
from modelmark.hooks import Hooks
from modelmark.interface import Interface
from modelmark.schemes import _blackbox, _triggers
from modelmark.schemes.base import Attachments, Carriers, Symbols
from modelmark.secret import Secret
from modelmark.suspect import Suspect
from modelmark.task import Task

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
    reading: ClassVar[str] = _blackbox.READING

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

    def attach(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return nothing: pictures come from the secret, or are attached already."""
        return {}

    def check(self, model: nn.Module, interface: Interface) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        _blackbox.check(model, interface)

    def shape(self, interface: Interface) -> tuple[int, int]:
        """Return one symbol per picture, its alphabet all classes."""
        return self._count, interface.classes

    def objection(self) -> str:
        """Return why the labels have no exact test, if they have none."""
        return _OBJECTIONS[self.message]

    def carriers(self, secret: Secret, interface: Interface, attachments: Attachments) -> Carriers:
        """Return the pictures, uint8 ``(triggers, *input_shape)``."""
        _blackbox.require_bytes(self._count, interface.input_shape)
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
        pictures = _blackbox.picture_leaves(carriers)
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

    def hooks(
        self, carriers: Carriers, message: npt.NDArray[np.int64], model: nn.Module, interface: Interface, *, seed: int
    ) -> Hooks:
        """Return the hook that appends triggers to every batch."""
        self.check(model, interface)
        inputs = _blackbox.pictures(carriers, interface)
        return _blackbox.Mixing(inputs, torch.from_numpy(message), self.per_hundred, seed)

    def extract(self, carriers: Carriers, suspect: Suspect, interface: Interface) -> Symbols:
        """Return the suspect's answer to each picture, asked once, ``(triggers,)``."""
        inputs = _blackbox.pictures(carriers, interface)
        return Symbols(suspect.labels(inputs), queries=len(inputs))
