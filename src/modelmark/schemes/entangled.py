"""Jia et al. 2021: patches on the owner's pictures, entangled with the pictures of the class that they ask for.

Source: Jia, Choquette-Choo, Chandrasekaran, Papernot, "Entangled watermarks as a defense against model extraction", USENIX
Security 2021, arXiv 2002.12200; batches and distance from the authors' release.

Triggers are pulled to where pictures of their label lie in feature space, so that the units that serve the task serve the mark.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.carriers.pictures import Pictures
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.key.secret import Secret
from modelmark.schemes import _stamps, blackbox
from modelmark.schemes._entangling import Entangling
from modelmark.schemes._labelled import PLURALITY, Labelled, picked
from modelmark.schemes._masking import Coupling
from modelmark.schemes.base import Attachments, Material
from modelmark.training.hooks import Hooks
from modelmark.training.task import Task


@dataclass(frozen=True)
class Entangled(Labelled):
    """Patches on the owner's pictures, a drawn label for each patch, entangled with the pictures of that label (black-box).

    Departs: with ``message="drawn"`` a symbol is a patch and its label is drawn over all classes after the pictures are
    committed; the paper has one patch and one label.
    Departs: the patch, of random colours, lies where the secret says, not where gradients do, and nothing else of the triggers
    is changed; the release moves them by gradients until the unmarked model answers otherwise.
    Departs: a batch of triggers and data joins the loss of every second step; it is a step of its own in the release.
    Departs: features are those that the head receives, the temperature is fixed; the release takes three layers and learns it.

    Args:
        triggers: number of patches; left out: 100 (more below five classes).
        queries: pictures under each patch; its answer is their plurality.
        side: of a patch, in pixels.
        per_hundred: triggers for every hundred samples of a batch that has them.
        every: steps from one such batch to the next.
        weight: of the entanglement in the loss.
        temperature: of the neighbours, in cosine distance.
        margin: embedding is done when most pictures of every patch lead by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret`` (literal: pictures of one class under one patch, all with one label).
    """

    name: ClassVar[str] = "entangled"
    summary: ClassVar[str] = "patches on own pictures, entangled with the class they ask for (Jia et al. 2021)"
    reading: ClassVar[str] = PLURALITY

    queries: int = 3
    side: int = 5
    per_hundred: int = 25
    every: int = 2
    weight: float = 0.2
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.queries <= 1000 and 1 <= self.side <= 1024):
            raise ValueError(f"expected 1 to 1000 queries and a side up to 1024, got {self.queries} and {self.side}")
        if not (1 <= self.per_hundred <= 100 and self.every >= 1):
            raise ValueError(f"expected per_hundred to 100 and every from 1, got {self.per_hundred} and {self.every}")
        if not (0 <= self.weight < float("inf") and 0 < self.temperature < float("inf")):
            raise ValueError(f"expected weight >= 0 and temperature > 0, got {self.weight} and {self.temperature}")

    @property
    def _each(self) -> int:
        return self.queries if self.message == "drawn" else 1

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "Entangled":
        """Fill in the number of patches and check that they are no larger than the pictures."""
        resolved = super().for_model(model, feed, attachments)
        least = min(feed.input_shape[1:])
        if self.side > least:
            raise UsageError(f"expected a side of at most {least} pixels, got {self.side}")
        return resolved

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``sources``, the pictures that patches are put on: of all classes, of one in the literal form."""
        literal = self.message == "secret"
        source = int(self._classes(secret, task.feed)[0]) if literal and task is not None else None
        places = picked(secret, self.name, task, self._count * self._each, source=source)
        assert task is not None
        return {"sources": task.train_inputs.cpu().numpy()[places]}

    def _shown(self, material: Material) -> Array:
        feed, count = material.feed, self._count
        if self.side > min(feed.input_shape[1:]):
            raise MismatchError(f"expected patches within pictures {feed.input_shape}, got a side of {self.side}")
        sources = blackbox.attached(material.attachments, "sources", (count * self._each,), feed)
        kinds = count if self.message == "drawn" else 1
        places, patches = _stamps.stamps(material.secret, self.name, kinds, self.side, feed.input_shape)
        times = len(sources) // kinds
        return _stamps.stamped(sources, places.repeat(times, axis=0), patches.repeat(times, axis=0))

    def hooks(self, carriers: Pictures, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that adds batches of triggers and data."""
        self.check(model, carriers.feed)
        inputs = blackbox.pictures(carriers.pictures, carriers.feed)
        labels = torch.from_numpy(message).repeat_interleave(self._each)
        entangling = Entangling(
            model,
            inputs,
            labels,
            per_hundred=self.per_hundred,
            every=self.every,
            weight=self.weight,
            temperature=self.temperature,
            seed=seed,
        )
        return Coupling([entangling], inputs, labels, self._each)
