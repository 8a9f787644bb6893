"""A log of what an API was asked: lines of canonical JSON, each of which names the SHA-256 of the one before it."""

import hashlib
import threading
from pathlib import Path
from typing import Any, Self

from modelmark import canonical, files
from modelmark.canonical import Json
from modelmark.errors import MalformedError

MOST_LOG = 2**32


def first_line(kind: str) -> bytes:
    """Return the line that a log of one kind begins with, such as ``mistakes``."""
    return canonical.encode({"type": f"modelmark.{kind}", "v": 1}) + b"\n"


class Logged:
    """A log that grows while an API serves; who derives from it says what a line holds.

    One process writes a log. A line is in the hands of the operating system before it counts, and half a line that a crash left
    is dropped. Threads may share an object.

    Args:
        path: of the log; made if it is not there.
        kind: what it is of, such as ``mistakes``.
        names: fields of a line.

    Raises:
        UsageError: another process is writing the log.
        MalformedError: it is none, or a line of it was changed.
    """

    def __init__(self, path: Path, kind: str, names: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._lines = files.Growing(path, first_line(kind), limit=MOST_LOG, what=f"a log of {kind}")
        try:
            self._last = self._read(path, kind, {*names, "before"})
        except BaseException:
            self.close()
            raise

    def _take(self, fields: dict[str, Any], where: str) -> None:
        """Take in what a line holds; ``where`` names the line for messages.

        Raises:
            MalformedError: it holds something else.
        """
        raise NotImplementedError

    def _add(self, fields: dict[str, Json]) -> None:
        """Write a line; whoever calls has the lock."""
        line = canonical.encode(fields | {"before": self._last}) + b"\n"
        self._lines.add(line)
        self._last = hashlib.sha256(line).hexdigest()

    def _read(self, path: Path, kind: str, names: set[str]) -> str:
        """Take in every line, and return the SHA-256 of the last."""
        lines = self._lines.data.splitlines(keepends=True)
        if not lines or lines[0] != first_line(kind):
            raise MalformedError(f"expected a log of {kind} in {path.name}, got something else")
        last = hashlib.sha256(lines[0]).hexdigest()
        for number, line in enumerate(lines[1:], 2):
            where = f"line {number} of {path.name}"
            found = canonical.decode(line[:-1], what=where)
            if not isinstance(found, dict) or found.keys() != names or found["before"] != last:
                raise MalformedError(f"expected {where} as it was written behind the one before, got another")
            self._take(found, where)
            last = hashlib.sha256(line).hexdigest()
        return last

    def close(self) -> None:
        """Let another process have the log."""
        self._lines.__exit__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
