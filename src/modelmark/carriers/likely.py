"""A field read from probabilities, of a suspect that gives them: how likely each query has each class, against references.

A copy shows more of a field in what it finds likely than in its labels. What is read is a logarithm, ``Weigh``'s surprisal in
whole numbers, of which anything below one in a thousand counts as that: further down students guess. Loads without torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.field import CLIP, Fields, Numbers
from modelmark.carriers.queries import Queries
from modelmark.suspects.base import MICRONATS, Probe, Repeated, Weigh

FINEST = MICRONATS // 1000
"""Parts of ``MICRONATS`` that make one of a reference: a thousandth of a nat."""
LEAST = 6900
"""The largest surprisal that counts, in thousandths of a nat."""


@dataclass(frozen=True, eq=False)
class Likely(Fields):
    """Queries with coordinates; a reference says how much each class surprises, uint16 thousandths of a nat, ``(N, 2, C)``."""

    probe: ClassVar[type[Probe]] = Weigh

    @property
    def _classes(self) -> int:
        return int(self.references.shape[2])

    def probes(self) -> list[Weigh]:  # type: ignore[override]
        """Return one question: how likely each query has each class, query after query."""
        told = np.tile(np.arange(self._classes, dtype=np.int64), len(self.inputs))
        return [Weigh(self.feed, Repeated(self.inputs, self._classes), told)]

    def asked(self, number: int) -> Weigh:  # type: ignore[override]
        """Return the question of one query and one class."""
        query, label = divmod(number, self._classes)
        return Weigh(self.feed, self.inputs[query : query + 1], np.array([label], np.int64))

    def queries(self) -> Queries:  # type: ignore[override]
        """Return the bytes of each query with each class, by number."""
        return Queries(len(self.inputs) * self._classes, lambda number: self.asked(number).leaves()[0])

    def sums(self, labels: Numbers, *, nearer: bool = False) -> Numbers:
        """Return t, in whole numbers, ``(K * C,)``; a query of which a class was refused counts for nothing.

        Args:
            labels: surprisals of all classes of all queries, millionths of a nat, ``(N * C,)``.
            nearer: against the mean of both references.
        """
        given = labels.reshape(-1, self._classes)
        there = (given >= 0).all(axis=1)
        known = self.references[there].astype(np.int64)
        expected = known.sum(axis=1) if nearer else 2 * known[:, 0]
        lead = expected - 2 * np.minimum((given[there] + FINEST // 2) // FINEST, LEAST)
        centred = self._classes * lead - lead.sum(axis=1, keepdims=True)
        return np.asarray((self.coordinates[there].astype(np.int64).T @ centred).ravel(), np.int64)

    @classmethod
    def fault(cls, coordinates: npt.NDArray[np.int16], references: npt.NDArray[np.uint16]) -> str:
        """Return what is expected of coordinates and references where it is not so."""
        if np.abs(coordinates.astype(np.int64)).max(initial=0) > CLIP:
            return f"coordinates of at most {CLIP}"
        return f"references of at most {LEAST}" if (references > LEAST).any() else ""


def surprises(probabilities: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.uint16]:
    """Return the mean of what several networks find likely, ``(N, C)`` each, as a reference says it, ``(N, C)``."""
    floor = np.exp(-LEAST * FINEST / MICRONATS)
    found = np.mean([-np.log(np.maximum(each, floor)) for each in probabilities], axis=0)
    return np.asarray(np.minimum(np.rint(found * (MICRONATS / FINEST)), LEAST), np.uint16)
