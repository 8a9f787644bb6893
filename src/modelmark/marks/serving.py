"""What an API does for ``choice``: log two answers to a prompt, and serve the drawn one once their commitment was dated.

::

    served = Served(log, marks)                # marks of periods that were committed, deposited and drawn
    text = served.pick(prompt, first, second)  # the drawn answer of a prompt that is committed, else the first

A period ends when ``keygen choice --records LOG`` makes a key of its log. Nobody knows a coin before that key's commitment was
dated, the owner no more than others: who knew it could log those pairs alone that some suspect prefers as the coin fell.
So a coin is served from then on: to whoever asks the prompt again, and to requests that were held until then (``hold``).
"""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from modelmark import canonical, files
from modelmark.errors import MalformedError, UsageError
from modelmark.marks.marks import Mark
from modelmark.schemes.choice import Choice

MOST_LOG = 2**32
FIRST = canonical.encode({"type": "modelmark.choices", "v": 1}) + b"\n"


class Served:
    """Answers that an API serves, and the log of pairs that wait for their coins.

    One process writes a log; several processes write several logs, which one key takes together. A line is in the hands of the
    operating system before ``pick`` returns, names the SHA-256 of the one before it, and half a line that a crash left is
    dropped. Threads may share an object.

    Args:
        log: of this period; made if it is not there.
        marks: of earlier periods, the first of which that has a prompt decides.

    Raises:
        UsageError: a mark of another scheme, or another process is writing the log.
        MalformedError: the log is none, or a line of it was changed.
    """

    def __init__(self, log: Path, marks: Sequence[Mark] = ()) -> None:
        self._drawn: dict[str, str] = {}
        for mark in reversed(marks):
            if not isinstance(mark.key.scheme, Choice) or mark.key.feed.kind != "texts":
                raise UsageError(
                    f"expected marks of choice over texts, got {mark.key.scheme.name} of {mark.key.feed.kind}"
                )
            picked = mark.records()
            for text, given in zip(picked.inputs[:, 0], picked.given.tolist(), strict=True):
                self._drawn[text[:given]] = text[given:]
        self._lock = threading.Lock()
        self._lines = files.Growing(log, FIRST, limit=MOST_LOG, what="a log of choices")
        try:
            self._waiting, self._last = _checked(self._lines.data, log)
        except BaseException:
            self.close()
            raise

    def pick(self, prompt: str, first: str, second: str) -> str:
        """Return the answer to serve: the drawn one of a committed pair, whatever is given now; else the first, and log the pair.

        Args:
            prompt: all that stands before the answer.
            first: an answer.
            second: another one, as good; nothing is logged where it is the same, or empty.
        """
        drawn = self.held(prompt)
        if drawn is not None:
            return drawn
        self.hold(prompt, first, second)
        return first

    def held(self, prompt: str) -> str | None:
        """Return the drawn answer to a prompt of a committed period; None where there is none yet."""
        return self._drawn.get(prompt)

    def hold(self, prompt: str, first: str, second: str) -> None:
        """Log a pair, so that the period's key has it; a prompt that has one already is not logged again."""
        if first == second or not (first and second and prompt) or prompt in self._drawn:
            return
        with self._lock:
            if prompt in self._waiting:
                return
            line = canonical.encode({"a": first, "b": second, "before": self._last, "prompt": prompt}) + b"\n"
            self._lines.add(line)
            self._waiting.add(prompt)
            self._last = hashlib.sha256(line).hexdigest()

    @property
    def waiting(self) -> int:
        """How many pairs the log has."""
        return len(self._waiting)

    def close(self) -> None:
        """Let another process have the log."""
        self._lines.__exit__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(data: bytes, path: Path) -> tuple[set[str], str]:
    """Return the prompts of a log, and the SHA-256 of its last line."""
    lines = data.splitlines(keepends=True)
    if not lines or lines[0] != FIRST:
        raise MalformedError(f"expected a log of choices in {path.name}, got something else")
    prompts, last = set[str](), hashlib.sha256(FIRST).hexdigest()
    for number, line in enumerate(lines[1:], 2):
        found = canonical.decode(line[:-1], what=f"line {number} of {path.name}")
        if not isinstance(found, dict) or found.keys() != {"a", "b", "before", "prompt"} or found["before"] != last:
            raise MalformedError(
                f"expected line {number} of {path.name} as it was written behind the one before, got another"
            )
        prompts.add(str(found["prompt"]))
        last = hashlib.sha256(line).hexdigest()
    return prompts, last
