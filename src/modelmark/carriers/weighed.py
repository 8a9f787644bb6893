"""The bytes of a record that a suspect weighs: a line that says what is told of it, then the input as its feed commits to it.

::

    told 7
    uint8 1x8x8
    <64 bytes>
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from modelmark.errors import MalformedError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.causal import END
from modelmark.suspects.base import Weigh

Numbers = npt.NDArray[np.int64]
_TOLD = re.compile(rb"told (0|[1-9]\d{0,8})\n")


def record(feed: Feed, one: Array, told: int) -> bytes:
    """Return the bytes of one record, ``one`` being its input ``(1, *input_shape)``."""
    return Weigh.heading(told) + feed.leaves(one)[0]


def parsed(feed: Feed, records: Sequence[bytes]) -> tuple[Array, Numbers]:
    """Return inputs ``(N, *input_shape)`` and what is told of each from their bytes.

    Raises:
        MalformedError: one is no record of this feed.
    """
    heads = [_TOLD.match(one) for one in records]
    if not all(heads):
        raise MalformedError("expected records that say what is told of them as carriers, got something else")
    inputs = feed.parse([one[head.end() :] for one, head in zip(records, heads, strict=True) if head])
    told = np.array([int(head[1]) for head in heads if head], np.int64)
    if fault := fault_of(feed, inputs, told):
        raise MalformedError(f"expected records {fault} as carriers, got others")
    return inputs, told


def fault_of(feed: Feed, inputs: Array, told: Numbers) -> str:
    """Return what is expected of records where it is not so: something to weigh in each, or a label that there is."""
    if feed.kind in ("causal", "texts"):
        least = 1 if feed.kind == "causal" else 0
        wrong = (told < least) | (told >= sizes(feed, inputs))
        return f"of {feed.kind} with {least} or more given and something behind that" if wrong.any() else ""
    return f"with labels below {feed.classes}" if ((told < 0) | (told >= feed.classes)).any() else ""


def sizes(feed: Feed, inputs: Array) -> Numbers:
    """Return how long each input is: tokens, characters, or 1 where a label is weighed, ``(N,)``."""
    if feed.kind == "causal":
        counted: Numbers = (inputs != END).sum(axis=1)
        return counted
    if feed.kind == "texts":
        return np.array([len(text) for text in inputs[:, 0]], np.int64)
    return np.ones(len(inputs), np.int64)


def weighed(feed: Feed, inputs: Array, told: Numbers) -> Numbers:
    """Return how much of each record is weighed: tokens, characters, or one label, ``(N,)``, at least 1."""
    return sizes(feed, inputs) - told if feed.kind in ("causal", "texts") else sizes(feed, inputs)


def cut(data: bytes, count: int, size: Callable[[re.Match[bytes]], int], head: re.Pattern[bytes]) -> list[bytes]:
    """Return leaves that stand one after the other, each with a line that says how long it is.

    Args:
        data: of all.
        count: how many there are.
        size: of what follows the line.
        head: the form of the line.

    Raises:
        MalformedError: there are more or fewer, or one has no such line.
    """
    found, start = [], 0
    for _ in range(count):
        line = head.match(data, start)
        if line is None or line.end() + size(line) > len(data):
            raise MalformedError(f"expected {count} carriers, each behind a line that says how long it is, got others")
        found.append(data[start : line.end() + size(line)])
        start += len(found[-1])
    if start < len(data):
        raise MalformedError(f"expected {count} carriers, got {len(data) - start} bytes more")
    return found
