"""Records whose order of training is drawn after they were committed.

Source: Kuditipudi, Huang, Zhu, Yang, Potts and Liang, "Blackbox model provenance via palimpsestic membership inference", 2025,
arXiv 2510.19796: models find likelier what they were trained on last. Here the order is drawn after the records are committed,
and each record has a slot of its own, so that the tail is exact or bounded whatever was chosen before.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers import ordered
from modelmark.carriers.base import Carriers
from modelmark.carriers.ordered import SLOTS, Ordered
from modelmark.feeds.base import Feed
from modelmark.feeds.records import Records
from modelmark.schemes._in_data import InData, attached, counted
from modelmark.schemes.base import Attachments, Material

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Order(InData):
    """Records that are trained on in a drawn order (black-box, from likelihoods).

    Args:
        count: of the records; left out: as many as are attached.
        slots: of an epoch, each a part of it; the records of a slot come in any order.
    """

    name: ClassVar[str] = "order"
    summary: ClassVar[str] = "records that are trained on in a drawn order, the last of which are found likelier"
    reads: ClassVar[type[Carriers]] = Ordered
    reading: ClassVar[str] = "rank of likelihood times slot, both from their middle; or times minus its square"
    _way: ClassVar[str] = "train in the order of mark.sampler(), or of what modelmark records writes"

    count: int | None = None
    slots: int = 16

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"expected at least one record, got {self.count}")
        if not SLOTS[0] <= self.slots <= SLOTS[1]:
            raise ValueError(f"expected {SLOTS[0]} to {SLOTS[1]} slots, got {self.slots}")

    def for_model(self, model: "nn.Module | None", feed: Feed, attachments: Attachments) -> "Order":
        """Fill in the number of records and check what is attached."""
        inputs, _, _ = attached(feed, attachments, 1)
        return replace(self, count=counted(self.count, len(inputs), "records"))

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return a slot a record."""
        if self.count is None:
            raise ValueError("expected a resolved scheme, got one whose number of records is left open")
        return self.count, self.slots

    def most_bits(self, feed: Feed) -> float:
        """Return the bits of a suspect that finds each record likelier than all that came in slots before."""
        return ordered.most_bits(*self.size(feed))

    def carriers(self, material: Material) -> Ordered:
        """Return the records."""
        parts = attached(material.feed, material.attachments, 1)
        inputs, given, reference = (part[: self.size(material.feed)[0]] for part in parts)
        return Ordered(material.feed, inputs, given, reference, self.slots)

    def records(self, carriers: Ordered, message: npt.NDArray[np.int64]) -> Records:
        """Return the records in the order of their slots, those of one slot as they were committed."""
        order = np.argsort(message, kind="stable")
        return Records(carriers.feed, carriers.inputs[order], carriers.given[order])
