"""Protocol buffers as they lie in a file: the fields of a message and where each stands; nothing is copied but what is asked for.

Source: https://protobuf.dev/programming-guides/encoding. The library's own reader loads a whole message, weights included.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelmark.errors import MalformedError

Span: TypeAlias = tuple[int, int]
"""First byte and the one after the last."""

MOST_FIELDS = 2**23
"""Looked at in one file: some seconds, and far more than the graph of any network has."""
_VARINT, _EIGHT, _SPAN, _FOUR = 0, 1, 2, 5


class Message:
    """A file that is a message, mapped.

    Args:
        path: of the file.
        what: the message, for refusals.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        with path.open("rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._left = MOST_FIELDS

    @property
    def whole(self) -> Span:
        """All bytes."""
        return 0, len(self._data)

    def fields(self, span: Span) -> Iterator[tuple[int, int | Span]]:
        """Yield number and value of each field of the message there: an integer, or where its bytes stand.

        Raises:
            MalformedError: not a message, or one of too many fields.
        """
        at, stop = span
        while at < stop:
            self._left -= 1
            if self._left < 0:
                raise MalformedError(f"expected at most {MOST_FIELDS} fields in {self.path}, got more")
            tag, at = self._varint(at, stop)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, at = self._varint(at, stop)
                yield number, value
                continue
            if kind == _SPAN:
                size, at = self._varint(at, stop)
            elif kind in (_EIGHT, _FOUR):
                size = 8 if kind == _EIGHT else 4
            else:
                raise self.damaged()
            if size > stop - at or number == 0:
                raise self.damaged()
            yield number, (at, at + size)
            at += size

    def bytes(self, value: int | Span, most: int = 2**16) -> bytes:
        """Return the bytes of a field; ``most`` of them are expected at most."""
        if isinstance(value, int) or value[1] - value[0] > most:
            raise self.damaged()
        return self._data[value[0] : value[1]]

    def text(self, value: int | Span) -> str:
        """Return a field as text."""
        return self.bytes(value).decode(errors="replace")

    def span(self, value: int | Span) -> Span:
        """Return where a field stands."""
        if isinstance(value, int):
            raise self.damaged()
        return value

    def integers(self, value: int | Span) -> list[int]:
        """Return a field that is one integer, or a few packed ones; signed."""
        if isinstance(value, int):
            return [_signed(value)]
        return varints(self.bytes(value)).tolist()

    def damaged(self) -> MalformedError:
        """Return the refusal."""
        return MalformedError(
            f"expected {self.what} in {self.path}, got a damaged one",
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        )

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= stop:
                break
            octet = self._data[at]
            at += 1
            value |= (octet & 127) << shift
            if octet < 128:
                return value & (2**64 - 1), at
        raise self.damaged()


def varints(data: bytes) -> npt.NDArray[np.int64]:
    """Return packed integers, signed; a last one that does not end is left out."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 128)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    values = np.zeros(len(ends), np.uint64)
    for place in range(min(10, int((ends - starts).max(initial=0)) + 1)):
        inside = starts + place <= ends
        values[inside] |= (octets[starts[inside] + place] & 127).astype(np.uint64) << np.uint64(7 * place)
    return values.view(np.int64)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
