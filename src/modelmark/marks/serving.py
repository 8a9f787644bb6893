"""What an API does for ``choice``: log two answers to a prompt, and serve the drawn one once their commitment was dated.

::

    served = Served(log, marks)                # marks of periods that were committed, deposited and drawn
    text = served.pick(prompt, first, second)  # the drawn answer of a prompt that is committed, else the first

A period ends when ``keygen choice --records LOG`` makes a key of its log. Nobody knows a coin before that key's commitment was
dated, the owner no more than others: who knew it could log those pairs alone that some suspect prefers as the coin fell.
So a coin is served from then on: to whoever asks the prompt again, and to requests that were held until then (``hold``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelmark.errors import UsageError
from modelmark.marks.logged import Logged
from modelmark.marks.marks import Mark
from modelmark.schemes.choice import Choice


class Served(Logged):
    """Answers that an API serves, and the log of pairs that wait for their coins.

    One process writes a log, see ``Logged``; several processes write several logs, which one key takes together.

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
        self._waiting: set[str] = set()
        super().__init__(log, "choices", ("a", "b", "prompt"))

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
            self._add({"a": first, "b": second, "prompt": prompt})
            self._waiting.add(prompt)

    def _take(self, fields: dict[str, Any], where: str) -> None:
        self._waiting.add(str(fields["prompt"]))

    @property
    def waiting(self) -> int:
        """How many pairs the log has."""
        return len(self._waiting)
