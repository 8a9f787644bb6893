"""How a suspect is read for the copies of all recipients at once: each bit with how clear it is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.spread import Runs
from modelmark.copies.tallying import graded
from modelmark.errors import UsageError
from modelmark.evidence.scores import Scores
from modelmark.marks.keys import Key
from modelmark.marks.marks import Mark
from modelmark.suspects.base import Array

ITSELF = "(the key itself)"
"""What a table shows in the place of a recipient for the key's own message; nobody is called so."""


class Graded(Runs):
    """The carriers of ``spread``, whose answers say by their size how clearly a bit was read."""

    def every(self, observed: Sequence[Array]) -> list[npt.NDArray[np.int64]]:
        """Return the bits by each rule, ``(T,)`` each: positive for 1, negative for 0.

        Raises:
            SuspectError: no weight of the suspect is a number.
        """
        return [graded(each) for each in self.sums(observed[0])]

    def scores(self, answers: npt.NDArray[np.int64]) -> Scores:
        """Return for each bit what a 0 and what a 1 is worth."""
        return Scores(np.stack([np.maximum(-answers, 0), np.maximum(answers, 0)], axis=1))


@dataclass(frozen=True)
class Traced(Mark):
    """A mark whose readings serve for every message of its key; see ``Graded``."""

    @cached_property
    def carriers(self) -> Carriers:
        """The key's carriers, read with how clear each bit is."""
        own = self.key.carriers
        assert isinstance(own, Runs)
        return Graded(**{field.name: getattr(own, field.name) for field in fields(own)})  # type: ignore[return-value]

    @classmethod
    def of(cls, mark: Mark) -> "Traced":
        """Return the same mark, read so."""
        require_spread(mark)
        return cls(mark.key, mark.draw)


def for_recipient(mark: Mark, recipient: str) -> Mark:
    """Return the mark of a recipient's copy, of the key and draw of ``mark``.

    Raises:
        UsageError: a key of another scheme, or no such name; see ``Draw.of``.
    """
    require_spread(mark)
    try:
        own = Mark(mark.key, mark.draw.of(recipient))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if own.draw.recipient.casefold() == ITSELF:
        raise UsageError(f"expected a recipient's name, got {ITSELF}, which trace says of the key's own message")
    return own


def require_spread(given: Mark | Key) -> None:
    """Raise UsageError unless copies can carry messages of this key."""
    key = given.key if isinstance(given, Mark) else given
    if not isinstance(key.carriers, Runs):
        raise UsageError(
            f"expected a spread key for copies, got {key.scheme.name}",
            hint="modelmark keygen spread --weights FILE makes one",
        )
