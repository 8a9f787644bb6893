"""A small network of secret weights that a layer's mean filter is put into, one output a bit: ``riga``. Loads without torch.

Trial i is the sign of output i. Every weight of the first layer belongs to every trial, so that a claim has one lot.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, number
from modelmark.carriers.means import require_all
from modelmark.carriers.queries import Queries
from modelmark.carriers.rows import parse_rows, real, require_bits, require_revealed, row_leaves
from modelmark.errors import MismatchError
from modelmark.suspects.base import Array, Probe, Read, ReadMean
from modelmark.suspects.places import Place

LEAK = 0.2
"""Of the activation: what is left of a number below zero."""
MOST_WIDTH = 2**28


@dataclass(frozen=True, eq=False)
class Extracted(Symbols):
    """The extractor and the place whose mean filter it reads.

    Args:
        inner: weights of the hidden units, int32 in parts of ``rows.UNIT``, ``(h, M)``.
        outer: of the outputs, likewise ``(T, h)``.
        layer: of the place; see ``Place.named``.
    """

    probe: ClassVar[type[Probe]] = Read
    reveals: ClassVar[tuple[str, ...]] = ("layer",)

    inner: npt.NDArray[np.int32]
    outer: npt.NDArray[np.int32]
    layer: str

    alphabet = 2

    @property
    def trials(self) -> range:
        """Numbers of the outputs."""
        return range(len(self.outer))

    def leaves(self) -> list[bytes]:
        """Return the rows of the hidden units, then those of the outputs, as big-endian bytes."""
        return row_leaves(self.inner) + row_leaves(self.outer)

    def probes(self) -> list[Read]:
        """Return one question: the mean filter of the marked layer."""
        return [ReadMean(Place.named(self.layer, self.inner.shape[1]))]

    def queries(self) -> Queries:
        """Return for each trial its row, and the digest of all hidden units."""
        hidden = hashlib.sha256(b"".join(row_leaves(self.inner))).digest()
        rows = row_leaves(self.outer)
        return Queries(len(rows), lambda trial: rows[trial] + hidden)

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the bits ``f(w) >= 0`` of the mean filter w, ``(T,)``; an exact zero reads as 1."""
        units = real(self.inner) @ observed[0].mean(axis=0)
        found: npt.NDArray[np.int64] = (real(self.outer) @ np.where(units > 0, units, LEAK * units) >= 0).astype(
            np.int64
        )
        return found

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a row an output and one a hidden unit, and two symbols."""
        require_bits(public)
        number(public, "width", MOST_WIDTH)
        if public.carriers != public.trials + number(public, "hidden"):
            raise MismatchError(f"expected a row for each unit and output, got {public.carriers}")

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Extracted":
        """Return what an opening of all carriers shows; see ``Carriers.opened``."""
        cls.check(public)
        require_all(public, leaves)
        hidden = number(public, "hidden")
        inner = parse_rows([leaves[row] for row in range(hidden)], number(public, "width", MOST_WIDTH))
        outer = parse_rows([leaves[row] for row in range(hidden, public.carriers)], hidden)
        return cls(inner, outer, require_revealed(revealed, "layer"))
