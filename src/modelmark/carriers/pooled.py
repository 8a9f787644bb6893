"""A filter that selects weights of a layer, and rows on which their pooled means are projected: ``neuralmark``.

Loads without torch.

All weights in their order are cut into pieces of T; of each piece those stay where the filter has a 1, and so again for every
round. What is left is cut into pieces of k numbers, whose mean is projected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, number, whole_trials
from modelmark.carriers.rows import MOST_WIDTH, InLayer, parse_rows, real, require_revealed, row_leaves
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import ABSTAIN, Array, Read
from modelmark.suspects.places import Place

MOST_ROUNDS = 32


@dataclass(frozen=True, eq=False)
class Pooled(InLayer):
    """The filter, the rows and the place.

    Args:
        matrix: int32 in parts of ``rows.UNIT``, ``(T, k)``.
        keep: of each round 1 where a weight stays, ``(rounds, period)``: of all bits of the key.
        layer: of the place; see ``Place.named``.
        width: M of the place.
        numbers: of the rows; left out: all, from 0.
    """

    matrix: npt.NDArray[np.int32]
    keep: npt.NDArray[np.uint8]
    layer: str
    width: int
    numbers: tuple[int, ...] = ()

    def leaves(self) -> list[bytes]:
        """Return for each row the filter, eight bits a byte, and the row as big-endian bytes."""
        packed = np.packbits(self.keep).tobytes()
        return [packed + row for row in row_leaves(self.matrix)]

    def probes(self) -> list[Read]:
        """Return one question: the weights of the marked layer."""
        return [Read(Place.named(self.layer, self.width))]

    def kept(self, count: int) -> npt.NDArray[np.int64]:
        """Return the places of the weights that are pooled, out of ``count`` in their order, ``(n, k)``."""
        return selected(self.keep, self.matrix.shape[1], count)

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the bits ``K m >= 0`` of the pooled weights m, ``(T,)``; an exact zero reads as 1, too few weights as none."""
        weights = np.asarray(observed[0]).reshape(-1)
        kept = self.kept(weights.size)
        if not len(kept):
            return np.full(len(self.matrix), ABSTAIN, np.int64)
        found: npt.NDArray[np.int64] = (real(self.matrix) @ weights[kept].mean(axis=0) >= 0).astype(np.int64)
        return found

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a row a trial, and two symbols."""
        super().check(public)
        number(public, "pooled", MOST_WIDTH)
        number(public, "rounds", MOST_ROUNDS)

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Pooled":
        """Return the rows that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        trials = whole_trials(leaves, 1)
        rounds, pooled = number(public, "rounds", MOST_ROUNDS), number(public, "pooled", MOST_WIDTH)
        size = -(-rounds * public.trials // 8)
        filters = {leaves[trial][:size] for trial in trials}
        if len(filters) != 1 or len(first := filters.pop()) != size:
            raise MalformedError("expected one filter before all rows, got others")
        keep = np.unpackbits(np.frombuffer(first, np.uint8))
        if keep[rounds * public.trials :].any():
            raise MalformedError("expected nothing behind the last bit of the filter, got more")
        matrix = parse_rows([leaves[trial][size:] for trial in trials], pooled)
        made = keep[: rounds * public.trials].reshape(rounds, public.trials)
        return cls(matrix, made, require_revealed(revealed, "layer"), number(public, "width", MOST_WIDTH), trials)


def remaining(keep: npt.NDArray[np.uint8], count: int) -> int:
    """Return how many of ``count`` weights are left by every round of a filter."""
    for bits in keep:
        count = count // len(bits) * int(bits.sum())
    return count


def selected(keep: npt.NDArray[np.uint8], pooled: int, count: int) -> npt.NDArray[np.int64]:
    """Return which of ``count`` weights are left by every round of a filter, ``(n, pooled)``; empty where they are too few."""
    left = np.arange(count)
    for bits in keep:
        whole = left[: len(left) // len(bits) * len(bits)]
        left = whole.reshape(-1, len(bits))[:, bits == 1].ravel()
    if pooled < 1:
        raise MismatchError(f"expected at least one pooled number, got {pooled}")
    return left[: len(left) // pooled * pooled].reshape(-1, pooled)
