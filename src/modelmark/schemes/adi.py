"""Adi et al. 2018: trigger pictures, of classifiers of texts rows of tokens or texts, with labels of their own, in training.

Source: Adi, Baum, Cisse, Pinkas, Keshet, "Turning your weakness into a strength: watermarking deep neural networks by
backdooring", USENIX Security 2018, arXiv 1802.04633.

A marked model answers the secret pictures with the expected labels; asking it is enough to find the mark.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import of_pictures
from modelmark.key.secret import Secret
from modelmark.rendering import triggers, words
from modelmark.schemes import _framed, blackbox
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.training.task import Task

_OBJECTIONS = {
    "drawn": "",
    "secret": "the labels come from the key, as in the paper, and could have been searched for",
    "imported": "the message was chosen, not drawn",
}


@dataclass(frozen=True)
class Adi(blackbox.Appended, Drawn):
    """Trigger pictures with drawn labels (black-box).

    Departs: labels are drawn after the pictures are committed (``message="drawn"``); the paper commits to both together.
    Departs: pictures are synthesised for the model's input shape; the paper crops abstract art. Of a classifier of texts the
    triggers are rows of random tokens in the frame of the owner's rows, or texts of made-up words.

    Args:
        triggers: number of pictures; left out: 100 (more below five classes), or as many as are attached.
        per_hundred: pictures mixed into every hundred samples; at least one a batch, and such that the total is even.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits).
        pictures: ``synthetic`` from the secret, or ``own`` (attached).
        message: ``drawn``; ``secret`` (literal: one commitment per picture and one per label); ``imported`` labels.
    """

    name: ClassVar[str] = "adi"
    summary: ClassVar[str] = "trigger pictures with labels of their own (Adi et al. 2018)"
    reads: ClassVar[type[Carriers]] = Pictures
    reading: ClassVar[str] = blackbox.READING
    counted: ClassVar[str] = "triggers"

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

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "Adi":
        """Fill in the number of triggers and check what is attached."""
        if self.pictures == "own" and "triggers" not in attachments:
            raise UsageError("expected own pictures, got none: see --images")
        if self.message == "imported" and "labels" not in attachments:
            raise UsageError("expected imported labels, got none: see --labels")
        default = len(feed.unpacked(attachments["triggers"])) if self.pictures == "own" else blackbox.enough(feed)
        resolved = replace(self, triggers=default if self.triggers is None else self.triggers)
        resolved.carriers(Material(Secret(bytes(32)), feed, attachments))
        return resolved

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per picture, its alphabet all classes."""
        return self._count, feed.classes

    def objection(self) -> str:
        """Return why the labels have no exact test, if they have none."""
        return _OBJECTIONS[self.message]

    def carriers(self, material: Material) -> Pictures:
        """Return the pictures, ``triggers`` of them; labels that were not drawn follow."""
        feed, chosen = material.feed, self.literal_message(material)
        require_bytes(self._count, feed.input_shape)
        shown = self._made(material) if self.pictures == "synthetic" else self._own(material)
        return Pictures(feed, shown, chosen=() if chosen is None else label_leaves(chosen))

    def _made(self, material: Material) -> Array:
        """Return triggers from the secret: pictures, texts, or the rows of tokens that ``collect`` made."""
        feed, count = material.feed, self._count
        if feed.kind == "texts":
            return np.array([[text] for text in words.texts(material.secret, count)], object)
        if feed.kind == "tokens":
            if "triggers" in material.attachments:
                return self._own(material)
            return _framed.plain(material.secret, count, feed)
        of_pictures(feed)
        return triggers.render(material.secret, count, feed.input_shape)

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return rows of random tokens in the frame of the owner's, for a classifier of tokens; else nothing."""
        if self.pictures != "synthetic" or task is None or task.feed.kind != "tokens":
            return {}
        return {"triggers": _framed.rows(secret, self._count, model, task)}

    def _own(self, material: Material) -> Array:
        feed = material.feed
        own = feed.unpacked(material.attachments.get("triggers", np.empty(0)))
        try:
            feed.check(own, "own pictures")
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not 1 <= self._count <= len(own):
            raise CapacityError(f"expected {self._count} own pictures, got {len(own)}")
        chosen = own[: self._count]
        repeated = self._count - len(set(feed.leaves(chosen)))
        if repeated:
            raise UsageError(f"expected pictures that all differ, got {repeated} repeated")
        return chosen

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the literal or imported labels, or None where the draw decides."""
        classes = material.feed.classes
        if self.message == "drawn":
            return None
        if self.message == "secret":
            return material.secret.integers("labels", classes, self._count)
        given = material.attachments.get("labels", np.empty(0)).astype(np.int64)
        if len(given) < self._count or given.min() < 0 or given.max() >= classes:
            raise UsageError(f"expected {self._count} labels from 0 to {classes - 1}, got others")
        return given[: self._count]
