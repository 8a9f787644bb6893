"""Opening files from outside, unpacking gzip and xz on the way."""

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelmark.data.bounded import Bounded
from modelmark.data.limits import Budget
from modelmark.data.places import need_file, shown
from modelmark.data.xz import XzReader
from modelmark.errors import MalformedError

DEFLATE_RATIO = 1032  # deflate turns one byte into at most this many
_GZIP_MAGIC, _XZ_MAGIC = b"\x1f\x8b", b"\xfd7zXZ\0"
_BUFFER = 1 << 20


@contextlib.contextmanager
def open_bounded(path: Path, budget: Budget, *, unpack: bool) -> Iterator[Bounded]:
    """Open ``path`` for reading; with ``unpack``, gzip and xz are recognised by their first bytes and unpacked.

    Raises:
        MalformedError: no such file, or one that may not be read.
    """
    with contextlib.ExitStack() as stack:
        raw: Any = stack.enter_context(open_file(path))
        ceiling = os.fstat(raw.fileno()).st_size
        magic = raw.peek(len(_XZ_MAGIC)) if unpack else b""
        if magic.startswith(_GZIP_MAGIC):
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="rb"))
            ceiling *= DEFLATE_RATIO
        elif magic.startswith(_XZ_MAGIC):
            raw = stack.enter_context(io.BufferedReader(XzReader(raw, budget.limits.max_xz_memory), _BUFFER))
            ceiling = budget.left
        yield Bounded(raw, budget, shown(path.name), ceiling)


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file.

    Raises:
        MalformedError: no such file, or one that may not be read.
    """
    try:
        return need_file(path).open("rb")
    except OSError as error:
        raise MalformedError(f"expected a readable file at {shown(str(path))}, got: {error.strerror}") from error
