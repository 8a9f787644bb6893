"""Records in two equally good versions, of which a drawn coin picks the one that is trained on.

Source: the paired rephrasings of STAMP (Rastogi, Maini and Pruthi, ICML 2025, arXiv 2504.13416), with the paired t-test replaced
by the coins: whatever a suspect prefers, each pair that it did not learn from is right with probability 1/2, exactly.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.pairs import VERSIONS, Pairs
from modelmark.feeds.base import Feed
from modelmark.feeds.records import Records
from modelmark.schemes._in_data import InData, attached, counted
from modelmark.schemes.base import Attachments, Material

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Twins(InData):
    """Records in two versions, of which a drawn coin picks the one that is trained on (black-box, from likelihoods).

    Args:
        pairs: how many; left out: as many as are attached.
        graded: whether ``verify`` reads by a second rule as well, of graded preferences; that is one bit.
    """

    name: ClassVar[str] = "twins"
    summary: ClassVar[str] = "records in two versions, of which a coin picks the one that is trained on"
    reads: ClassVar[type[Carriers]] = Pairs
    reading: ClassVar[str] = "version of less surprisal for its size, ties abstain"

    pairs: int | None = None
    graded: bool = True

    def __post_init__(self) -> None:
        if self.pairs is not None and self.pairs < 1:
            raise ValueError(f"expected at least one pair, got {self.pairs}")

    def for_model(self, model: "nn.Module | None", feed: Feed, attachments: Attachments) -> "Twins":
        """Fill in the number of pairs and check what is attached."""
        inputs, _, _ = attached(feed, attachments, VERSIONS)
        return replace(self, pairs=counted(self.pairs, len(inputs) // VERSIONS, "pairs"))

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return a coin a pair."""
        if self.pairs is None:
            raise ValueError("expected a resolved scheme, got one whose number of pairs is left open")
        return self.pairs, VERSIONS

    def carriers(self, material: Material) -> Pairs:
        """Return the pairs."""
        parts = attached(material.feed, material.attachments, VERSIONS)
        inputs, given, reference = (part[: VERSIONS * self.size(material.feed)[0]] for part in parts)
        return Pairs(material.feed, inputs, given, reference, graded=self.graded)

    def records(self, carriers: Pairs, message: npt.NDArray[np.int64]) -> Records:
        """Return the versions that the message picks, in the order of the pairs."""
        picked = np.arange(len(message)) * VERSIONS + message
        return Records(carriers.feed, carriers.versions[picked], carriers.given[picked])
