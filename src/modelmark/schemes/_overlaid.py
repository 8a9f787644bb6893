"""What ``zhang`` and ``certified`` share: own pictures with something on them, or unrelated ones, and a label for each."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.key.secret import NORMAL_UNIT, Secret
from modelmark.rendering import triggers
from modelmark.schemes import _stamps, blackbox
from modelmark.schemes._labelled import Labelled, picked
from modelmark.schemes.base import Attachments, Material
from modelmark.training.task import Task


@dataclass(frozen=True)
class Overlaid(Labelled):
    """Pictures of three kinds, and a label for each.

    Args:
        triggers: number of pictures; left out: 100 (more below five classes).
        kind: ``content``: under a patch; ``noise``: under noise; ``unrelated``.
        side: of a patch, in pixels.
        amount: one deviation of the noise, in grey levels of 255.
        per_hundred: pictures mixed into every hundred samples; at least one a batch, and such that the total is even.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret`` (literal: pictures of one class, one patch or noise, one label).
    """

    kind: Literal["content", "noise", "unrelated"] = "content"
    side: int = 5
    amount: int = 77
    per_hundred: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.side <= 1024 and 1 <= self.amount <= FULL_SCALE):
            raise ValueError(f"expected a side to 1024 and an amount to 255, got {self.side} and {self.amount}")
        if not 1 <= self.per_hundred <= 100:
            raise ValueError(f"expected per_hundred from 1 to 100, got {self.per_hundred}")

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> Self:
        """Fill in the number of pictures and check that patches are no larger than they are."""
        if self.kind == "content" and len(feed.input_shape) == 3 and self.side > min(feed.input_shape[1:]):
            raise UsageError(f"expected a side of at most {min(feed.input_shape[1:])} pixels, got {self.side}")
        return super().for_model(model, feed, attachments)

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``sources``, the pictures that something is put on; unrelated ones are made of the secret alone."""
        if self.kind == "unrelated":
            return {}
        one = self.message == "secret" and task is not None
        source = int(self._classes(secret, task.feed)[0]) if one and task is not None else None
        places = picked(secret, self.name, task, self._count, source=source)
        assert task is not None
        return {"sources": task.train_inputs.cpu().numpy()[places]}

    def _shown(self, material: Material) -> Array:
        secret, feed, count = material.secret, material.feed, self._count
        if self.kind == "unrelated":
            return triggers.render(secret, count, feed.input_shape)
        sources = blackbox.attached(material.attachments, "sources", (count,), feed)
        kinds = count if self.message == "drawn" else 1
        if self.kind == "noise":
            normals = secret.normals(f"{self.name}/noise", kinds * sources[0].size).astype(np.int64)
            noise = (normals * self.amount + NORMAL_UNIT // 2) // NORMAL_UNIT
            return (sources + noise.reshape(kinds, *feed.input_shape)).clip(0, FULL_SCALE).astype(np.uint8)
        if self.side > min(feed.input_shape[1:]):
            raise MismatchError(f"expected patches within pictures {feed.input_shape}, got a side of {self.side}")
        places, patches = _stamps.stamps(secret, self.name, kinds, self.side, feed.input_shape)
        return _stamps.stamped(sources, places.repeat(count // kinds, axis=0), patches.repeat(count // kinds, axis=0))
