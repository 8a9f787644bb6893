"""Rows of a secret projection, on which a layer's mean filter is projected: ``uchida``.

Beside the committed host it is read by more rules, each a reading that is charged: ``HOST_RULES``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, number, require_each, whole_trials
from modelmark.carriers.levelling import levelled
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import Array, Probe, Read, ReadMean, Suspect
from modelmark.suspects.places import Place

UNIT = 65536
"""The integer that stands for 1.0 in a projection."""
LEVELLED, TURNED = "filters of the host's norms and signs", "every bit turned round"
HOST_RULES = ("", LEVELLED, TURNED, f"{LEVELLED}, {TURNED}")
"""How the mean filter is taken, in the words of a note: as it is; of filters whose factor and sign were taken out, as folding
batch norm puts them in; and either with every bit turned round, as negating what was trained leaves it."""


MOST_WIDTH = 2**28
"""Numbers of a filter."""


class InLayer(Symbols):
    """Bits that are each read with a row of integers from the weights of one layer; each row is a carrier and a trial."""

    probe: ClassVar[type[Probe]] = Read
    reveals: ClassVar[tuple[str, ...]] = ("layer",)

    matrix: npt.NDArray[Any]
    layer: str
    numbers: tuple[int, ...]

    alphabet = 2

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the rows, ascending."""
        return self.numbers or range(len(self.matrix))

    def leaves(self) -> list[bytes]:
        """Return the rows as big-endian bytes."""
        return row_leaves(self.matrix)

    def queries(self) -> dict[int, bytes]:
        """Return each row's leaf by its number."""
        return dict(zip(self.trials, self.leaves(), strict=True))

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a row a trial, and two symbols."""
        require_bits(public)
        require_each(public, 1)
        number(public, "width", MOST_WIDTH)


@dataclass(frozen=True, eq=False)
class Rows(InLayer):
    """A projection and the place whose mean filter it projects.

    Args:
        matrix: int32 in parts of ``UNIT``, or float32 as it was imported, ``(T, M)``.
        layer: of the place; see ``Place.named``.
        numbers: of the rows; left out: all, from 0.
        host: filters of the committed host, where it is at hand, ``(H, M)``; ``against`` puts them there.
    """

    matrix: npt.NDArray[Any]
    layer: str
    numbers: tuple[int, ...] = ()
    host: Array | None = None

    own_rules: ClassVar[int] = 1
    most_rules: ClassVar[int] = len(HOST_RULES)

    @property
    def told(self) -> tuple[str, ...]:
        """By which rules it is read, each a reading, in the words of a note; see ``carriers.base.told``."""
        return HOST_RULES[:1] if self.host is None else HOST_RULES

    def against(self, host: Suspect) -> "Rows":
        """Return the carriers as they are read with the committed host at hand.

        Raises:
            MismatchError: the host has no such layer.
        """
        place = Place.named(self.layer, self.matrix.shape[1])
        return replace(self, host=host.observe(Read(place))[0])

    def probes(self) -> list[Read]:
        """Return one question: the mean filter of the marked layer; beside a host, all its filters."""
        place = Place.named(self.layer, self.matrix.shape[1])
        return [ReadMean(place) if self.host is None else Read(place)]

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the bits ``X w >= 0`` of the mean filter w, ``(T,)``; an exact zero reads as 1."""
        return self._bits(observed[0])

    def every(self, observed: Sequence[Array]) -> list[npt.NDArray[np.int64]]:
        """Return the bits by each of the rules in ``told``, ``(T,)`` each."""
        plain = self._bits(observed[0])
        if self.host is None:
            return [plain]
        level = self._bits(levelled(observed[0], self.host))
        return [plain, level, 1 - plain, 1 - level]

    def _bits(self, filters: Array) -> npt.NDArray[np.int64]:
        bits: npt.NDArray[np.int64] = (real(self.matrix) @ filters.mean(axis=0) >= 0).astype(np.int64)
        return bits

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Rows":
        """Return the rows that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        trials = whole_trials(leaves, 1)
        matrix = parse_rows([leaves[trial] for trial in trials], number(public, "width", MOST_WIDTH))
        return cls(matrix, require_revealed(revealed, "layer"), trials)


def real(matrix: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a projection as numbers: fixed point is scaled by ``1 / UNIT``, imported floats stay as they are."""
    found = matrix.astype(np.float64)
    if matrix.dtype.kind == "i":
        found /= UNIT
    return found


def row_leaves(matrix: npt.NDArray[Any]) -> list[bytes]:
    """Return the rows of a projection as big-endian bytes."""
    return [row.tobytes() for row in matrix.astype(matrix.dtype.newbyteorder(">"))]


def parse_rows(leaves: Sequence[bytes], width: int) -> npt.NDArray[np.int32]:
    """Return rows of fixed point from their leaves, int32 ``(N, width)``.

    Raises:
        MalformedError: a leaf is not a row of that width.
    """
    if any(len(leaf) != 4 * width for leaf in leaves):
        raise MalformedError(f"expected rows of {width} integers as carriers, got something else")
    return np.stack([np.frombuffer(leaf, ">i4") for leaf in leaves]).astype(np.int32)


def require_bits(public: Public) -> None:
    """Raise MismatchError unless the symbols are bits."""
    if public.alphabet != 2:
        raise MismatchError(f"expected bits of {public.scheme}, got an alphabet of {public.alphabet}")


def require_revealed(revealed: Mapping[str, str], name: str) -> str:
    """Return a concealed value that was revealed.

    Raises:
        MismatchError: it was not.
    """
    if name not in revealed:
        raise MismatchError(f"expected the {name} to be revealed, without which the suspect cannot be read")
    return revealed[name]
