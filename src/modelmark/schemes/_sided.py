"""What ``frontier`` and ``blackmarks`` share: pictures moved towards another class, and a bit for each: which side it is on."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.coded import Coded, Codes, coded
from modelmark.carriers.pictures import label_leaves, require_bytes
from modelmark.errors import MismatchError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.schemes import blackbox
from modelmark.schemes._labelled import Labelled
from modelmark.schemes.base import Attachments, Material

BITS = 2


@dataclass(frozen=True, eq=False)
class Sided(Coded):
    """Coded pictures, and the class that each is trained to answer for either bit.

    Args:
        classes: for a bit of 0 and for one of 1, int64 ``(trials, 2)``.
    """

    classes: Codes = field(default_factory=lambda: np.empty((0, BITS), np.int64))

    def labels(self, message: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the class of each picture for these bits, ``(trials,)``."""
        return torch.from_numpy(np.take_along_axis(self.classes, message[:, None], axis=1)[:, 0])


@dataclass(frozen=True)
class Siding(blackbox.Appended, Labelled):
    """Moved pictures, and a bit for each.

    Args:
        triggers: number of pictures; left out: 216, of which 144 reach 64 net bits with an offline draw.
        amount: grey levels of 255 by which each pixel is moved.
        pool: candidates for each picture, where there are so many.
        per_hundred: pictures mixed into every hundred samples; at least one a batch, and such that the total is even.
        margin: embedding is done when every picture's side leads by at least this much in the outputs (logits).
        message: ``drawn``, or ``secret``: the paper's literal form, an observation only.
    """

    reads: ClassVar[type[Carriers]] = Coded
    reading: ClassVar[str] = f"{blackbox.READING}; its symbol in the picture's code, none where it has none"

    amount: int = 25
    pool: int = 4
    per_hundred: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.amount <= FULL_SCALE and 1 <= self.pool <= 1000):
            raise ValueError(f"expected an amount to 255 and a pool to 1000, got {self.amount} and {self.pool}")
        if not 1 <= self.per_hundred <= 100:
            raise ValueError(f"expected per_hundred from 1 to 100, got {self.per_hundred}")

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> Self:
        """Fill in the number of pictures."""
        count = blackbox.enough(feed, BITS) if self.triggers is None else self.triggers
        return replace(self, triggers=count)._with_pictures(model, feed, attachments)

    def _with_pictures(self, model: nn.Module, feed: Feed, attachments: Attachments) -> Self:
        return super().for_model(model, feed, attachments)

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return that an untrained model has no frontier, where it was one."""
        return (
            []
            if host
            else ["pictures were moved by an untrained network, which says nothing; name a trained one: --host"]
        )

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one bit per picture."""
        return self._count, BITS

    def carriers(self, material: Material) -> Sided:
        """Return the pictures with their codes; bits that were not drawn follow.

        Raises:
            MismatchError: what is attached is not this key's.
        """
        feed, classes = material.feed, self._sides(material)
        require_bytes(self._count, feed.input_shape)
        chosen = self.literal_message(material)
        leaves = () if chosen is None else label_leaves(chosen)
        found = coded(feed, self._shown(material), self._codes(material, classes), BITS, leaves)
        return self._made(found, classes)

    def _made(self, found: Coded, classes: Codes) -> Sided:
        return Sided(found.feed, found.pictures, chosen=found.chosen, codes=found.codes, values=BITS, classes=classes)

    def _codes(self, material: Material, classes: Codes) -> Codes:
        """Return which bit every class stands for, ``(trials, classes)``."""
        raise NotImplementedError

    def _shown(self, material: Material) -> Array:
        return blackbox.attached(material.attachments, "pictures", (self._count,), material.feed)

    def _sides(self, material: Material) -> Codes:
        """Return the attached classes of either bit, ``(trials, 2)``."""
        found, classes = material.attachments.get("sides", np.empty(0)), material.feed.classes
        if found.dtype != np.int64 or found.shape != (self._count, BITS) or found.min() < 0 or found.max() >= classes:
            raise MismatchError(
                f"expected attached sides int64 {(self._count, BITS)} below {classes}, got {found.dtype} {found.shape}"
            )
        if (found[:, 0] == found[:, 1]).any():
            raise MismatchError("expected two different classes a picture, got one twice")
        return found

    def labels(self, carriers: Sided, message: npt.NDArray[np.int64]) -> Tensor:
        """Return which class each picture is trained as: the side that its symbol says."""
        return carriers.labels(message)
