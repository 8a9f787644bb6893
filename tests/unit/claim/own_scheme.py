"""Schemes outside the table, each with carriers of its own: one whose symbols are bits of labels, one whose scores are graded."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers, Public, require_each
from modelmark.carriers.pictures import Pictures
from modelmark.carriers.rows import require_bits
from modelmark.evidence.scores import Scores
from modelmark.feeds.base import Feed
from modelmark.schemes.adi import Adi
from modelmark.schemes.base import Material


@dataclass(frozen=True, eq=False)
class Halves(Pictures):
    """Pictures of which it matters whether their label is even or odd."""

    alphabet = 2  # type: ignore[assignment]

    def answers(self, observed):
        """Return the last bit of every label; refusals stay refusals."""
        return np.where(observed[0] < 0, observed[0], observed[0] % 2)

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a picture a trial, and two symbols."""
        require_bits(public)
        require_each(public, 1)


@dataclass(frozen=True, eq=False)
class Near(Pictures):
    """Pictures whose label counts double where it is right, and once beside it."""

    def scores(self, answers: npt.NDArray[np.int64]) -> Scores:
        """Return 2 for the label that was read, 1 for its neighbours, 0 for all others and for refusals."""
        distance = np.abs(answers[:, None] - np.arange(self.alphabet))
        return Scores(np.where(answers[:, None] < 0, 0, np.maximum(2 - distance, 0)).astype(np.int64))


@dataclass(frozen=True)
class Parity(Adi):
    """Trigger pictures with a drawn bit each."""

    name: ClassVar[str] = "parity"
    reads: ClassVar[type[Carriers]] = Halves
    reading: ClassVar[str] = "last bit of the largest output"

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one bit per picture."""
        return super().size(feed)[0], 2

    def carriers(self, material: Material) -> Halves:
        """Return the pictures of ``adi``, read otherwise."""
        made = super().carriers(material)
        return Halves(made.feed, made.pictures)


@dataclass(frozen=True)
class Neighbours(Adi):
    """Trigger pictures whose labels may be nearly right."""

    name: ClassVar[str] = "neighbours"
    reads: ClassVar[type[Carriers]] = Near
    reading: ClassVar[str] = "two for the largest output, one beside it"

    def carriers(self, material: Material) -> Near:
        """Return the pictures of ``adi``, read otherwise."""
        made = super().carriers(material)
        return Near(made.feed, made.pictures)
