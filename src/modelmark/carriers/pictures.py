"""Pictures, or inputs of any feed, that are asked as they are: of ``adi``, ``coupled`` and most that ask."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, require_each, whole_trials
from modelmark.errors import CapacityError, MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Array, Ask, Probe

MAX_BYTES = 2**31
"""Of all pictures together: 2,048 at 1024 x 1024 in colour fit, a key made to exhaust the memory does not."""
MAX_PICTURES = 2**19
"""However small they are: each is committed by itself, which takes some microseconds."""

Picture = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Pictures(Symbols):
    """Pictures, the queries of a trial one after the other.

    Args:
        feed: how the model is fed.
        pictures: as the feed stores inputs, ``(trials * each, *input_shape)``.
        each: queries of one trial, whose symbol is the plurality of their answers.
        chosen: what follows the pictures among the leaves, where the message was chosen and not drawn.
        numbers: of the trials; left out: all, from 0.
    """

    probe: ClassVar[type[Probe]] = Ask

    feed: Feed
    pictures: Picture
    each: int = 1
    chosen: tuple[bytes, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def alphabet(self) -> int:  # type: ignore[override]
        """All classes."""
        return self.feed.classes

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the trials, ascending."""
        return self.numbers or range(len(self.pictures) // self.each)

    def leaves(self) -> list[bytes]:
        """Return the bytes of each picture, such as ``uint8 3x32x32``, a line feed and its pixels; then what was chosen."""
        return [*self.feed.leaves(self.pictures), *self.chosen]

    def probes(self) -> list[Ask]:
        """Return one question: the label of every picture."""
        return [Ask(self.feed, self.pictures)]

    def asked(self, number: int) -> Ask:
        """Return the question of one picture, by its place among those at hand."""
        return Ask(self.feed, self.pictures[number : number + 1])

    def queries(self) -> dict[int, bytes]:
        """Return each picture's leaf by the number of its carrier."""
        numbers = (trial * self.each + i for trial in self.trials for i in range(self.each))
        return dict(zip(numbers, self.feed.leaves(self.pictures), strict=True))

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the labels."""
        return observed[0]

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there are so many pictures a trial, and a symbol for each class."""
        require_classes(public)
        require_each(public, cls.queries_per_trial(public))

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Pictures":
        """Return the pictures that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        each = cls.queries_per_trial(public)
        shown = public.feed.parse([leaves[index] for index in sorted(leaves)])
        return cls(public.feed, shown, each, numbers=whole_trials(leaves, each))


def require_classes(public: Public) -> None:
    """Raise MismatchError unless the symbols are classes."""
    if public.alphabet != public.feed.classes:
        raise MismatchError(f"expected an alphabet of all {public.feed.classes} classes, got {public.alphabet}")


def label_leaves(chosen: npt.NDArray[np.int64]) -> tuple[bytes, ...]:
    """Return the leaf of each label that was chosen: ``label LABEL``."""
    return tuple(f"label {label}".encode() for label in chosen)


def require_bytes(count: int, shape: Sequence[int]) -> None:
    """Raise CapacityError if ``count`` pictures of ``shape`` would be too many or too large to make."""
    if count > MAX_PICTURES or count * math.prod(shape) > MAX_BYTES:
        raise CapacityError(f"expected at most {MAX_PICTURES} pictures and {MAX_BYTES} bytes of them, got more")
