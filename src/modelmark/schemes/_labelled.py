"""What the schemes share whose trials are pictures made of the owner's, each trial with a label of its own."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.key.secret import Secret
from modelmark.schemes import blackbox
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.training.task import Task

PLURALITY = blackbox.READING + "; plurality over the queries of a symbol, ties to the lowest class"


@dataclass(frozen=True)
class Labelled(Drawn):
    """Pictures, some for each trial, and a label for each trial.

    Args:
        triggers: number of trials; left out: 100 (more below five classes).
        margin: embedding is done when every trial's label leads by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret``: the paper's literal form, an observation only.
    """

    name: ClassVar[str]
    feeds: ClassVar[tuple[str, ...]] = ("pictures",)
    reads: ClassVar[type[Carriers]] = Pictures
    reading: ClassVar[str] = blackbox.READING
    counted: ClassVar[str] = "triggers"

    triggers: int | None = None
    margin: float = 0.1
    message: Literal["drawn", "secret"] = "drawn"

    def __post_init__(self) -> None:
        if self.triggers is not None and not 1 <= self.triggers <= 16384:
            raise ValueError(f"expected 1 to 16384 triggers, got {self.triggers}")
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected margin >= 0, got {self.margin}")

    @property
    def _count(self) -> int:
        if self.triggers is None:
            raise ValueError("expected a resolved scheme, got one whose number of triggers is left open")
        return self.triggers

    @property
    def _each(self) -> int:
        """Pictures a trial."""
        return 1

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> Self:
        """Fill in the number of trials and check that the inputs are pictures, and not too many."""
        if feed.kind != "pictures" or len(feed.input_shape) != 3:
            raise UsageError(f"expected pictures (channels, height, width), got inputs {feed.input_shape}")
        resolved = replace(self, triggers=blackbox.enough(feed) if self.triggers is None else self.triggers)
        require_bytes(resolved._count * resolved._each, feed.input_shape)
        return resolved

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per trial, its alphabet all classes."""
        return self._count, feed.classes

    def objection(self) -> str:
        """Return why the literal form has no exact test."""
        return "" if self.message == "drawn" else "all triggers share one label, so their matches are not independent"

    def carriers(self, material: Material) -> Pictures:
        """Return the pictures; labels that were not drawn follow.

        Raises:
            MismatchError: what is attached is not this key's.
        """
        require_bytes(self._count * self._each, material.feed.input_shape)
        chosen = self.literal_message(material)
        return Pictures(
            material.feed, self._shown(material), self._each, () if chosen is None else label_leaves(chosen)
        )

    def _shown(self, material: Material) -> Array:
        """Return the pictures that are asked, ``(trials * each, *input_shape)``."""
        raise NotImplementedError

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return one label, drawn by the secret, for all triggers; None where the draw decides."""
        if self.message == "drawn":
            return None
        return np.full(self._count, self._classes(material.secret, material.feed)[1])

    def _classes(self, secret: Secret, feed: Feed) -> npt.NDArray[np.int64]:
        """Return the class whose pictures the literal form takes, and the label that it gives them."""
        return secret.permutation(f"{type(self).name}/classes", feed.classes)[:2]


def picked(
    secret: Secret, use: str, task: Task | None, count: int, *, source: int | None = None, most: int | None = None
) -> npt.NDArray[np.int64]:
    """Return the places of ``count`` of the owner's training pictures, no two alike, ``(count,)``; the secret picks them.

    Args:
        secret: of the key.
        use: names the choice.
        task: the owner's data.
        count: how many.
        source: class that they are of; None: of any.
        most: as many as this where there are; None: ``count``.

    Raises:
        UsageError: there are no data.
        CapacityError: there are not so many.
    """
    if task is None:
        raise UsageError("expected data, got none", hint="triggers are made of the owner's pictures: --data")
    own = np.arange(len(task.train_inputs))
    if source is not None:
        own = own[task.labels.cpu().numpy() == source]
    inputs = task.train_inputs.cpu().numpy()
    seen: dict[bytes, int] = {}
    for place in own[secret.permutation(f"{use}/pictures", len(own))]:
        seen.setdefault(inputs[place].tobytes(), place)
        if len(seen) == (most or count):
            break
    if len(seen) >= count:
        return np.array(list(seen.values()), np.int64)
    name = "" if source is None else f" of class {task.feed.class_names[source]!r}"
    raise CapacityError(f"expected at least {count} different training pictures{name}, got {len(seen)}")
