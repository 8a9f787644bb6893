"""The owner's pictures under patterns of pixels far out of range: Li et al. 2019 (the scheme ``null``).

The carriers are the null filter, a true filter for each trial, and pictures with their labels. Query ``t * each + j`` is picture
``(t * each + j) mod K`` under the true filter ``t``; every picture is asked under the null filter too, for a note.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, number, require_queries
from modelmark.carriers.means import require_all, split_labels
from modelmark.carriers.pictures import Picture, require_classes
from modelmark.carriers.queries import Queries
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Array, AskBeyond, Probe

_FILTER = re.compile(rb"filter (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}) ([01]{1,65536})")
MOST_AMPLITUDE = 10**6


@dataclass(frozen=True, eq=False)
class Filters:
    """Square patterns and where each is put.

    Args:
        bits: uint8 ``(P, n, n)``, values 0 and 1.
        places: int64 ``(P, 2)``, row and column of each pattern's upper left pixel.
    """

    bits: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> "Filters":
        return Filters(self.bits[numbers], self.places[numbers])

    @classmethod
    def of(cls, planes: npt.NDArray[np.int8]) -> "Filters":
        """Return the filters that ``planes`` ``(P, H, W)`` show, which all have one side; the inverse of ``planes``."""
        rows, columns = (planes.any(axis=axis) for axis in (2, 1))
        side = int(rows.sum(axis=1).max())
        places = np.stack([rows.argmax(axis=1), columns.argmax(axis=1)], axis=1).astype(np.int64)
        blocks = [plane[r : r + side, c : c + side] for plane, (r, c) in zip(planes, places, strict=True)]
        return cls((np.stack(blocks) > 0).astype(np.uint8), places)

    def inverted(self) -> "Filters":
        """Return the same places with every bit turned over."""
        return Filters(1 - self.bits, self.places)

    def leaves(self) -> list[bytes]:
        """Return each filter as ``filter ROW COLUMN BITS``, bits row by row."""
        rows = zip(self.bits.reshape(len(self), -1), self.places, strict=True)
        return [f"filter {row} {column} {''.join(map(str, bits))}".encode() for bits, (row, column) in rows]

    def planes(self, height: int, width: int) -> npt.NDArray[np.int8]:
        """Return what each filter does to each pixel: +1, -1 or 0 for nothing, int8 ``(P, height, width)``."""
        side = np.arange(self.bits.shape[1])
        rows = self.places[:, 0, None, None] + side[:, None]
        columns = self.places[:, 1, None, None] + side
        out = np.zeros((len(self), height, width), np.int8)
        out[np.arange(len(self))[:, None, None], rows, columns] = 2 * self.bits.astype(np.int8) - 1
        return out


@dataclass(frozen=True, eq=False)
class Repeated:
    """Rows of which the same come again and again: numbers, and how to make the rows of some numbers.

    A filter is a line of a few bytes and a plane as large as the picture, and a picture is asked under many filters: all
    of it at once was 700 times what an opening holds.
    """

    numbers: npt.NDArray[np.int64]
    rows: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, part: slice) -> npt.NDArray[Any]:
        return self.rows(self.numbers[part])


@dataclass(frozen=True, eq=False)
class Filtered(Symbols):
    """Filters, and the pictures that they are put on.

    Args:
        feed: how the model is fed; pictures.
        null: the one null filter.
        true: the true filters, P of them.
        pictures: uint8 ``(K, C, H, W)``.
        labels: their own, int64 ``(K,)``.
        amplitude: on the scale of 0 to 255.
        each: pictures asked under each true filter.
    """

    probe: ClassVar[type[Probe]] = AskBeyond

    feed: Feed
    null: Filters
    true: Filters
    pictures: Picture
    labels: npt.NDArray[np.int64]
    amplitude: int
    each: int

    @property
    def alphabet(self) -> int:  # type: ignore[override]
        """All classes."""
        return self.feed.classes

    @property
    def trials(self) -> range:
        """Numbers of the true filters."""
        return range(len(self.true))

    def leaves(self) -> list[bytes]:
        """Return the null filter, the true ones, and each picture after a line ``label LABEL``."""
        pictures = self.feed.leaves(self.pictures)
        labelled = [f"label {label}\n".encode() + leaf for label, leaf in zip(self.labels, pictures, strict=True)]
        return self.null.leaves() + self.true.leaves() + labelled

    def probes(self) -> list[AskBeyond]:
        """Return two questions: pictures under the true filters, ``each`` a filter; all pictures under the null one."""
        size: tuple[int, int] = self.feed.input_shape[1:]  # type: ignore[assignment]
        queries, pictures = np.arange(len(self.true) * self.each), np.arange(len(self.pictures))
        below = Repeated(queries % len(self.pictures), lambda numbers: self.pictures[numbers])
        true = Repeated(queries // self.each, lambda numbers: self.true[numbers].planes(*size))
        null = Repeated(0 * pictures, lambda numbers: self.null[numbers].planes(*size))
        return [
            AskBeyond(self.feed, below, true, self.amplitude),
            AskBeyond(self.feed, self.pictures, null, self.amplitude),
        ]

    def queries(self) -> Queries:
        """Return for each query its filter, and its picture with its label."""
        leaves, first, pictures = self.leaves(), 1 + len(self.true), len(self.pictures)
        return Queries(
            len(self.true) * self.each, lambda q: leaves[1 + q // self.each] + b"\n" + leaves[first + q % pictures]
        )

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the labels under true filters, ``(P * each,)``."""
        return observed[0]

    def note(self, observed: Sequence[Array]) -> str:
        """Return the share of pictures that keep their label under the null filter."""
        return f"acc_null {float((observed[1] == self.labels).mean()):.2f} on {len(self.labels)} pictures"

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless filters and pictures are as many as there are trials and carriers."""
        require_classes(public)
        number(public, "side")
        number(public, "amplitude", MOST_AMPLITUDE)
        number(public, "queries")
        require_queries(public, cls.queries_per_trial(public) * public.trials + number(public, "pictures"))
        expected = 1 + public.trials + number(public, "pictures")
        if public.carriers != expected:
            raise MismatchError(f"expected {expected} carriers of {public.scheme}, got {public.carriers}")

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Filtered":
        """Return what an opening of all carriers shows; see ``Carriers.opened``."""
        cls.check(public)
        require_all(public, leaves)
        first = 1 + public.trials
        side, amplitude = number(public, "side"), number(public, "amplitude", MOST_AMPLITUDE)
        filters = parse_filters(public.feed.input_shape, side, [leaves[i] for i in range(first)])
        labels, below = split_labels("label", [leaves[i] for i in range(first, public.carriers)])
        null, true = Filters(filters.bits[:1], filters.places[:1]), Filters(filters.bits[1:], filters.places[1:])
        pictures = public.feed.parse(below)
        return cls(public.feed, null, true, pictures, labels, amplitude, number(public, "queries"))


def parse_filters(shape: Sequence[int], side: int, leaves: Sequence[bytes]) -> Filters:
    """Return filters from their leaves.

    Raises:
        MalformedError: a leaf is no filter, or does not fit a picture of ``shape``.
    """
    if len(shape) != 3:
        raise MalformedError(f"expected pictures (channels, height, width) to be filtered, got inputs of shape {shape}")
    bits, places = [], []
    for leaf in leaves:
        found = _FILTER.fullmatch(leaf)
        row, column = (int(found[1]), int(found[2])) if found else (0, 0)
        if not found or len(found[3]) != side**2 or row + side > shape[1] or column + side > shape[2]:
            raise MalformedError(f"expected filters of side {side} within the picture as carriers, got something else")
        bits.append(np.frombuffer(found[3], np.uint8).reshape(side, side) - ord("0"))
        places.append((row, column))
    return Filters(np.stack(bits).astype(np.uint8), np.array(places, np.int64))
