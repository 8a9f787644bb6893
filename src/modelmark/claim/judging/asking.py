"""Asking a suspect one query at a time, in an order that was fixed before, with every answer written down at once.

Whoever answers knows all that is public: the claim, perhaps the drawn message, how the family of carriers is made. Asked in
ascending order, each carrier is known by its label. So the order comes from a nonce that nobody sees before the record is
handed in, among many more queries that look the same.
"""

import hashlib
import math
import secrets as os_random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.carriers.base import Carriers
from modelmark.claim.judging import rules
from modelmark.claim.papers import transcript
from modelmark.claim.papers.transcript import ORDINARY, Asked, Head, Transcript
from modelmark.errors import MismatchError
from modelmark.evidence.sequential import Walk
from modelmark.feeds.base import Feed
from modelmark.feeds.prompts import Prompts
from modelmark.suspects.base import ABSTAIN, MISSING, Ask, AskNext, Suspect, Weigh

PER_CARRIER = 10
"""Ordinary queries for each carrier, unless another number is asked for."""


class Questions(Carriers, Protocol):
    """Carriers that are asked as they are, one query at a time."""

    @property
    def feed(self) -> Feed:
        """How a suspect is fed."""
        ...

    @property
    def alphabet(self) -> int:
        """Number of values of a symbol."""
        ...

    def asked(self, number: int) -> Ask | Weigh:
        """Return the question of one query, by its place among those at hand."""
        ...


def begun(path: Path, head: Head, test: str) -> Head:
    """Return the head of the record in a file that exists already, or ``head`` with a nonce of its own.

    Args:
        path: of the transcript.
        head: what it is about; its nonce is left out.
        test: named before anything is asked.

    Raises:
        MismatchError: the file is about something else, or names another test or no nonce.
    """
    if not path.exists():
        return replace(head, nonce=os_random.token_hex(32), test=test)
    found = transcript.load(path, unfinished=True).head
    if found.about != head.about:
        raise MismatchError(f"expected {path} to be about this claim, key and lot, got another transcript")
    if not found.nonce or found.test != test:
        raise MismatchError(
            f"expected a record of queries in an order of its own for the {test} test in {path}, "
            f"got {f'one for the {found.test} test' if found.nonce else 'one of version 1'}",
            hint="it is judged as it stands; name another file",
        )
    return found


def record(
    path: Path,
    head: Head,
    carriers: Questions,
    suspect: Suspect,
    *,
    expected: Sequence[int] = (),
    target: float = math.inf,
    ordinary: npt.NDArray[np.uint8] | Prompts | None = None,
    watch: Callable[[int], None] | None = None,
) -> Transcript:
    """Ask a suspect, and go on with the record in a file that exists already.

    Args:
        path: of the transcript; made if it is not there.
        head: what it is about, and the nonce that gives the order; a file with another is refused.
        carriers: to be asked.
        suspect: known by its answers.
        expected: drawn symbol of each of ``carriers.trials``, to stop as soon as the e-process is decided; left out: ask all.
        target: bits, charges included, at which it is decided for the claim; looked at only with ``expected``.
        ordinary: uint8 pictures ``(N, *input_shape)``, or prompts, to strew among the others, each asked once.
        watch: called after each answer with the number of answers so far.

    Raises:
        MismatchError: the file is about something else.
        UsageError: another process is asking and writing it.
    """
    shown = carriers.queries()
    places = {carrier: place for place, carrier in enumerate(shown)}
    own: npt.NDArray[np.uint8] | Prompts = np.empty(0, np.uint8) if ordinary is None else ordinary
    first = transcript.first_line(head)
    with files.Growing(path, first, limit=transcript.MAX_FILE, what="a transcript") as lines:
        done = transcript.parse(lines.data)
        order = transcript.plan(head, shown, len(own))
        if done.head != head or [one.carrier for one in done.asked] != order[: len(done.asked)]:
            raise MismatchError(
                f"expected {path} to be about this claim, lot and order of queries, got another transcript"
            )
        lines.mend()  # an interruption may have left half a line
        watched = _Decided(head, carriers, expected, target, done.answers(shown))
        asked = list(done.asked)
        strewn = iter(range(sum(one.carrier == ORDINARY for one in asked), len(own)))
        for carrier in order[len(asked) :]:
            if watched.over:
                break
            probe, raw = (
                _ordinary(carriers.feed, own, next(strewn))
                if carrier == ORDINARY
                else (carriers.asked(places[carrier]), shown[carrier])
            )
            answer = int(suspect.observe(probe)[0][0])
            asked.append(Asked(carrier, hashlib.sha256(raw).hexdigest(), max(answer, ABSTAIN)))
            lines.add(transcript.line(asked[-1]))
            if carrier != ORDINARY:
                watched.take(carrier, asked[-1].answer)
            if watch is not None:
                watch(len(asked))
    return Transcript(head, tuple(asked))


def _ordinary(feed: Feed, own: npt.NDArray[np.uint8] | Prompts, number: int) -> tuple[Ask, bytes]:
    """Return the question of an ordinary query, and what its name in the record is made of."""
    part = slice(number, number + 1)
    if isinstance(own, Prompts):
        return AskNext.of(feed, own[part]), own[part].leaves()[0]
    return Ask(feed, own[part]), own[part].tobytes()


class _Decided:
    """The e-process over the trials as they are complete; never over where nothing is expected."""

    def __init__(
        self, head: Head, carriers: Questions, expected: Sequence[int], target: float, answers: dict[int, int]
    ) -> None:
        self._carriers, self._answers = carriers, answers
        self._trials = transcript.completed(head, carriers.queries(), carriers.each)
        self._expected = dict(zip(carriers.trials, expected, strict=True)) if expected else {}
        self._walk = Walk(Fraction(1, carriers.alphabet), target, most=len(expected))
        self._go_on()

    @property
    def over(self) -> bool:
        """Whether more answers would change nothing."""
        return bool(self._expected) and self._walk.stand != "open"

    def take(self, query: int, answer: int) -> None:
        """Count one answer."""
        self._answers[query] = answer
        self._go_on()

    def _go_on(self) -> None:
        if not self._expected:
            return
        given = np.array([self._answers.get(number, MISSING) for number in self._carriers.queries()], np.int64)
        done = self._walk.trials
        for trial, found in zip(
            self._trials[done:], rules.symbols(self._carriers, given, self._trials)[done:], strict=False
        ):
            if self._walk.stand == "open":
                self._walk = self._walk.after(found == self._expected[trial])
