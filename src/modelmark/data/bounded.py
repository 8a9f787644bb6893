"""A stream whose unpacked bytes are counted as they come, so that bombs stop early."""

import lzma
import zipfile
import zlib
from typing import IO

import numpy as np
import numpy.typing as npt

from modelmark.data.limits import Budget
from modelmark.data.places import one_line
from modelmark.errors import MalformedError

_CHUNK = 1 << 20
_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class Bounded:
    """A stream read in steps of at most a mebibyte, every byte counted, with one-line refusals only.

    Args:
        raw: the stream, already unpacking.
        budget: what its bytes are counted against.
        name: what messages call it.
        ceiling: the most bytes it can hold, judged by its packed size.
    """

    def __init__(self, raw: IO[bytes], budget: Budget, name: str, ceiling: int) -> None:
        self._raw = raw
        self._budget = budget
        self._ceiling = ceiling
        self.name = name
        self.count = 0

    def expect(self, size: int) -> None:
        """Refuse an announced ``size`` that cannot follow, before anything is reserved for it.

        Raises:
            MalformedError: the file is too short to hold that much, or it would be too much.
        """
        self._budget.check(size, self.name)
        if size > self._ceiling - self.count:
            raise MalformedError(f"expected {size} more bytes in {self.name}, got a file too short to hold them")

    def read(self, size: int = _CHUNK) -> bytes:
        """Return up to ``size`` bytes, empty only at the end of the stream.

        Raises:
            MalformedError: the stream is damaged, cut short by its own account, or longer than the budget.
        """
        try:
            data = self._raw.read(min(size, _CHUNK))
        except _ERRORS as error:
            raise MalformedError(f"expected {self.name} to be whole, got a damaged file: {one_line(error)}") from error
        self.count += len(data)
        self._budget.take(len(data), self.name)
        return data

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes; memory grows with what comes, not with what was announced.

        Raises:
            MalformedError: as for ``read``, or the stream ends early.
        """
        first = self.read(size)
        if len(first) == size:
            return first
        data = bytearray(first)
        while len(data) < size:
            piece = self.read(size - len(data))
            if not piece:
                raise self._short(size, len(data))
            data += piece
        return bytes(data)

    def fill(self, out: npt.NDArray[np.uint8]) -> None:
        """Fill the one-dimensional array ``out``.

        Raises:
            MalformedError: as for ``exactly``.
        """
        have = 0
        while have < len(out):
            piece = self.read(len(out) - have)
            if not piece:
                raise self._short(len(out), have)
            out[have : have + len(piece)] = np.frombuffer(piece, np.uint8)
            have += len(piece)

    def rest(self) -> bytes:
        """Return everything up to the end of the stream."""
        return b"".join(iter(lambda: self.read(_CHUNK), b""))

    def finish(self) -> None:
        """Check that the stream ends here; reaching the end also checks the sums of packed files.

        Raises:
            MalformedError: bytes follow.
        """
        if self.read(1):
            raise MalformedError(f"expected {self.name} to end after {self.count - 1} bytes, got more")

    def _short(self, size: int, have: int) -> MalformedError:
        return MalformedError(f"expected {size} more bytes in {self.name}, got {have}: the file is cut short")
