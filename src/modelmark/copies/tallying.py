"""Whose messages a reading holds: scores of thousands at once, and what is left once those that are sure are taken out.

A reading gives each bit a number: on which side it was read, and how clearly. The sum of these numbers, with the signs that a
message gives them, has a known tail for every message that the reading does not depend on, however the reading came about.
Of a mean of k copies each holds but one part in k of that sum. So those that are sure are taken out, by least squares, and the
others are looked at again. For somebody innocent the numbers that are left are as independent of the own message as before:
they would have been the same had he never been asked about. Every look is a reading and is charged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.evidence.tails import Bound

LOOKS = 8
"""At most, at each table."""
_CLIP = 4.0
"""Root mean squares beyond which a bit counts no more: one that some filter shouts out says nothing of the others."""
_CLIPS = 16  # each makes one bit that is too loud some sixth as loud
_FINE = 2**14
_BLOCK = 2**20  # bits of messages compared at a time
Reals = npt.NDArray[np.float64]
Packed = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tally:
    """What was found for each message.

    Args:
        bits: ``-log2`` of the chance, before any charge, by the look at which it was named, else the best, ``(n,)``.
        named: whether the bits less the charges reach the bar, ``(n,)``.
        looks: how many were taken.
    """

    bits: Reals
    named: npt.NDArray[np.bool_]
    looks: int


def graded(sums: Reals) -> npt.NDArray[np.int64]:
    """Return a table's numbers: sums by bit, clipped until none is beyond four root mean squares, and rounded, ``(T,)``."""
    for _ in range(_CLIPS):
        root = np.sqrt(np.mean(np.square(sums)))
        if not root > 0:
            return np.zeros(len(sums), np.int64)
        sums = np.clip(sums / root, -_CLIP, _CLIP)
    return np.rint(sums * _FINE).astype(np.int64)


def tally(sums: Sequence[Reals], messages: Packed, *, needed: float) -> Tally:
    """Return who is found in some tables.

    Args:
        sums: of each table, by bit, positive where the bit reads as 1, ``(T,)``.
        messages: packed bits, the first one lowest, ``(n, T / 8)`` rounded up.
        needed: bits before charges from which a message is named.
    """
    best, named = np.zeros(len(messages)), np.zeros(len(messages), bool)
    looks = 0
    while sums and looks < LOOKS:
        looks += 1
        known = signs(messages[named], len(sums[0]))
        bits = reached([graded(without(each, known)) for each in sums], messages)
        best = np.where(named, best, np.maximum(best, bits))
        fresh = ~named & (best >= needed)
        named = named | fresh
        if not fresh.any() or named.all() or 4 * named.sum() > len(sums[0]):
            break
    return Tally(best, named, looks)


def reached(tables: Sequence[npt.NDArray[np.int64]], messages: Packed) -> Reals:
    """Return for each message the bits of the best table, ``(n,)``."""
    numbers = np.stack(tables, axis=1).astype(np.float64)
    bounds = [Bound.of(np.stack([np.maximum(-each, 0), np.maximum(each, 0)], axis=1)) for each in tables]
    found = np.zeros(len(messages))
    for part in blocks(len(messages), len(numbers)):
        agreeing = signs(messages[part], len(numbers)) @ numbers  # whole numbers, each below 2**32: no rounding
        missing = (np.abs(numbers).sum(axis=0) - agreeing) / 2
        for bound, lacking in zip(bounds, missing.T, strict=True):
            np.maximum(found[part], bound.bits(lacking), out=found[part])
    return found


def without(sums: Reals, known: Reals) -> Reals:
    """Return sums less what messages explain of them, by least squares; ``known`` are signs, ``(k, T)``."""
    if not len(known):
        return sums
    parts: Reals = np.linalg.lstsq(known.T, sums, rcond=None)[0].astype(np.float64)
    return sums - parts @ known


def signs(messages: Packed, count: int) -> Reals:
    """Return +1 for 1 and -1 for 0, ``(n, count)``."""
    ones = np.unpackbits(messages, axis=1, count=count, bitorder="little").astype(np.float64)
    return 2 * ones - 1


def blocks(messages: int, bits: int) -> Iterator[slice]:
    """Yield slices that cover the messages, of a million bits each at most."""
    step = max(1, _BLOCK // bits)
    for start in range(0, messages, step):
        yield slice(start, start + step)
