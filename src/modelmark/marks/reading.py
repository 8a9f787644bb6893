"""What was read from a suspect, whatever the message is; ``Mark.weigh`` turns it into evidence."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from modelmark.carriers.base import Carriers, every, told
from modelmark.errors import MismatchError, SuspectError
from modelmark.evidence.scores import Scores
from modelmark.suspects.base import Suspect
from modelmark.suspects.places import MOST


@dataclass(frozen=True)
class Reading:
    """One way of reading a suspect.

    Args:
        scores: a table for every candidate, the likeliest first, and every rule; one unless a place is not certain.
        queries: inputs the suspect was asked for it.
        note: what else it says, for people.
        objection: why it has no exact test, where it depends on something that was not fixed before the draw.
        rules: what a note says of the rule by which each table was read; nothing where there is one rule, or none needs a word.
    """

    scores: tuple[Scores, ...]
    queries: int = 0
    note: str = ""
    objection: str = ""
    rules: tuple[str, ...] = ()

    def rule(self, number: int) -> str:
        """Return what a note says of the rule of a table, by its number."""
        return self.rules[number % len(self.rules)] if self.rules else ""


@dataclass(frozen=True)
class Unread:
    """A way of reading that was tried and gave nothing; it counts as a reading that matches nowhere.

    Args:
        reason: why.
        hint: what to do about it, if that is known.
    """

    reason: str
    hint: str = field(default="", compare=False)


def read(carriers: Carriers, suspect: Suspect) -> Reading:
    """Return what a suspect shows at these carriers.

    Raises:
        MismatchError: suspect and carriers do not belong together, or so many places fit that none can be meant.
        SuspectError: what the suspect answers is no answer.
    """
    before = suspect.queries
    probed = [suspect.observe(probe) for probe in carriers.probes()]
    count = math.prod(map(len, probed))
    if count > MOST:
        raise MismatchError(f"expected at most {MOST} ways to read the suspect, got {count}")
    answers = (found for chosen in itertools.product(*probed) for found in every(carriers, chosen))
    tables = tuple(map(carriers.scores, answers))
    note = carriers.note([found[0] for found in probed])
    return Reading(tables, suspect.queries - before, note, rules=told(carriers))


def tried(reading: Callable[[], Reading]) -> Reading | Unread:
    """Return a reading, or why there is none: there is no place to read from, or what is there is no number."""
    try:
        return reading()
    except (MismatchError, SuspectError) as error:
        return Unread(str(error), error.hint)
