"""Pictures, each behind a code that says which symbol every class stands for: of ``blackmarks``, ``dawn`` and ``frontier``.

::

    code 0 - 1
    uint8 1x8x8
    <64 bytes>

A class without a symbol (``-``) matches nothing. Codes are committed with the pictures, so that whatever they say each symbol is
drawn after it: a model that does not depend on the draw matches with at most the chance that its tail is counted with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, require_each, whole_trials
from modelmark.carriers.pictures import Pictures
from modelmark.errors import CapacityError, MalformedError, MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import ABSTAIN

Codes = npt.NDArray[np.int64]
_CODE = re.compile(rb"code(?: (?:-|0|[1-9]\d{0,8}))+\n")
MOST_NUMBERS = 2**24
"""In the codes of all pictures together: 16,384 of a thousand classes fit."""


@dataclass(frozen=True, eq=False)
class Coded(Pictures):
    """Pictures, one a trial, and what an answer to each stands for.

    Args:
        codes: of each picture the symbol of every class, ``ABSTAIN`` where it has none, int64 ``(trials, classes)``.
        values: how many values a symbol has.
    """

    codes: Codes = field(default_factory=lambda: np.empty((0, 0), np.int64))
    values: int = 2

    @property
    def alphabet(self) -> int:  # type: ignore[override]
        """The values of a symbol."""
        return self.values

    def leaves(self) -> list[bytes]:
        """Return each picture as it is committed elsewhere, behind its code; then what was chosen."""
        pictures = self.feed.leaves(self.pictures)
        return [*(_line(code) + one for code, one in zip(self.codes, pictures, strict=True)), *self.chosen]

    def symbols(self, answers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return what the answered class stands for, ``ABSTAIN`` where that is nothing."""
        there = (answers >= 0) & (answers < self.codes.shape[1])
        found = np.take_along_axis(self.codes, np.where(there, answers, 0)[:, None], axis=1)[:, 0]
        return np.where(there, found, ABSTAIN)

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a picture a trial, and no more symbols than classes."""
        if not 2 <= public.alphabet <= public.feed.classes:
            raise MismatchError(f"expected 2 to {public.feed.classes} symbols, got an alphabet of {public.alphabet}")
        require_each(public, 1)

    @classmethod
    def queries_per_trial(cls, public: Public) -> int:
        """Return 1."""
        return 1

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Coded":
        """Return the pictures that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        heads = [_CODE.match(leaves[index]) for index in sorted(leaves)]
        if not all(heads):
            raise MalformedError("expected pictures behind their codes as carriers, got something else")
        lines = [head[0] for head in heads if head]
        below = [leaves[index][len(line) :] for index, line in zip(sorted(leaves), lines, strict=True)]
        codes = np.array([_numbers(line, public.feed.classes, public.alphabet) for line in lines], np.int64)
        shown = public.feed.parse(below)
        return cls(public.feed, shown, numbers=whole_trials(leaves, 1), codes=codes, values=public.alphabet)


def coded(
    feed: Feed, pictures: npt.NDArray[np.uint8], codes: Codes, values: int, chosen: tuple[bytes, ...] = ()
) -> Coded:
    """Return pictures ``(N, *input_shape)`` with the codes ``(N, classes)`` of a key.

    Raises:
        MismatchError: the codes say a symbol that there is not.
        CapacityError: they are too many.
    """
    if codes.shape != (len(pictures), feed.classes):
        raise MismatchError(f"expected codes ({len(pictures)}, {feed.classes}), got {codes.shape}")
    require_numbers(*codes.shape)
    if codes.min() < ABSTAIN or codes.max() >= values:
        raise MismatchError(f"expected codes of symbols below {values}, got others")
    return Coded(feed, pictures, chosen=chosen, codes=codes, values=values)


def require_numbers(count: int, classes: int) -> None:
    """Raise CapacityError if the codes of ``count`` pictures would be too much to make."""
    if count * classes > MOST_NUMBERS:
        raise CapacityError(f"expected codes of at most {MOST_NUMBERS} numbers, got {count} of {classes} classes")


def sides(feed: Feed, first: Codes, second: Codes) -> Codes:
    """Return codes in which one class is 0, another 1 and no other has a symbol, ``(N, classes)``.

    Args:
        feed: of the key.
        first: the class that is 0 for each picture, ``(N,)``.
        second: the one that is 1.
    """
    require_numbers(len(first), feed.classes)
    found = np.full((len(first), feed.classes), ABSTAIN, np.int64)
    each = np.arange(len(first))
    found[each, first], found[each, second] = 0, 1
    return found


def _line(code: Codes) -> bytes:
    return b"code %b\n" % b" ".join(b"-" if one == ABSTAIN else b"%d" % one for one in code.tolist())


def _numbers(line: bytes, classes: int, alphabet: int) -> list[int]:
    found = [ABSTAIN if one == b"-" else int(one) for one in line.split()[1:]]
    if len(found) != classes or max(found) >= alphabet:
        raise MalformedError(f"expected a code of {classes} classes and symbols below {alphabet}, got another")
    return found
