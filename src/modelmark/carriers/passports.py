"""Passports of a layer's filters, one row a filter, whose product's sign is a bit: ``passports``. Loads without torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, number, whole_trials
from modelmark.carriers.rows import MOST_WIDTH, InLayer, parse_rows, real, require_revealed, row_leaves
from modelmark.errors import MalformedError
from modelmark.suspects.base import ABSTAIN, Array, Read
from modelmark.suspects.places import Place

_LINE = re.compile(rb"filter (0|[1-9][0-9]{0,7})\n")


@dataclass(frozen=True, eq=False)
class Passports(InLayer):
    """Which filters bear bits, and the passport of each.

    Args:
        matrix: int32 in parts of ``rows.UNIT``, ``(T, M)``.
        filters: number of each row's filter, int64 ``(T,)``.
        layer: of the place; see ``Place.named``.
        numbers: of the rows; left out: all, from 0.
    """

    matrix: npt.NDArray[np.int32]
    filters: npt.NDArray[np.int64]
    layer: str
    numbers: tuple[int, ...] = ()

    def leaves(self) -> list[bytes]:
        """Return a line ``filter I`` and the passport as big-endian bytes, for each filter that bears a bit."""
        rows = row_leaves(self.matrix)
        return [b"filter %d\n" % number + row for number, row in zip(self.filters.tolist(), rows, strict=True)]

    def probes(self) -> list[Read]:
        """Return one question: the filters of the marked layer."""
        return [Read(Place.named(self.layer, self.matrix.shape[1]))]

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the signs of the scale factors ``w_i p_i``, ``(T,)``; an exact zero reads as 1, a filter that is cut as none."""
        there = self.filters < len(observed[0])
        found = np.full(len(self.filters), ABSTAIN, np.int64)
        factors = np.einsum("ij,ij->i", real(self.matrix[there]), observed[0][self.filters[there]])
        found[there] = factors >= 0
        return found

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Passports":
        """Return the passports that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        trials = whole_trials(leaves, 1)
        lines = [_LINE.match(leaves[trial]) for trial in trials]
        if not all(lines):
            raise MalformedError("expected passports after a line filter NUMBER, got something else")
        filters = np.array([int(line[1]) for line in lines if line], np.int64)
        if len(set(filters.tolist())) < len(filters):
            raise MalformedError("expected a filter of its own for every bit, got one twice")
        rows = [leaves[trial][line.end() :] for trial, line in zip(trials, lines, strict=True) if line]
        matrix = parse_rows(rows, number(public, "width", MOST_WIDTH))
        return cls(matrix, filters, require_revealed(revealed, "layer"), trials)
