"""Records whose order of training the draw says: ``order``.

Each record has a slot of its own in the order, drawn like any symbol, and records are trained on slot by slot. So their order is
a shuffle, and yet slots are independent, and the sum of grades below has the exact tail, or the exponential bound, of any other
scheme's scores; no permutation is summed over.

A record's grade is the rank, among all, of how little it surprises, in ``GRADES`` steps; of what is left when the reference's
surprise is taken off, where numbers of one were committed. Its score is the product of grade and slot, both from their middle:
Spearman's rank correlation of likelihood and place. 16 slots lose ``1 / 16**2`` of it. A rate of training that falls to zero
leaves the middle of an epoch likelier than both ends: by a second rule the score is grade times minus the square of the slot.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from modelmark.carriers import weighed
from modelmark.carriers.base import Public, Symbols, require_each, whole_trials
from modelmark.carriers.grading import grades, residuals
from modelmark.carriers.weighed import Numbers
from modelmark.errors import MalformedError, MismatchError
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.feeds.base import Array, Feed
from modelmark.suspects.base import MOST_SURPRISAL, Probe, Suspect, Weigh

GRADES = 8
MIDDLE = "the middle of an epoch likelier than its ends, as a rate that falls to zero leaves it"
SLOTS = (2, 64)
"""That an order may have, fewest and most."""
_HEAD = re.compile(rb"record (0|[1-9]\d{0,12}) ([1-9]\d{0,9})\n")


def most_bits(count: int, slots: int) -> float:
    """Return the bits of a suspect that finds each record likelier than all that came in slots before."""
    at = np.arange(count, dtype=np.int64)
    scores = Scores(_products(2 * (at * GRADES // count) - (GRADES - 1), 2 * np.arange(slots) - (slots - 1)))
    return tail_bits(scores, scores.total(at * slots // count)).bits


def _products(places: Numbers, slots: Numbers) -> Numbers:
    """Return the grade of each record, from their middle, times what each slot counts; no score is below zero."""
    table = places[:, None] * slots
    return np.asarray(table - table.min(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Ordered(Symbols):
    """Records, all fed alike.

    Args:
        feed: how the model is fed.
        inputs: as the feed stores them, ``(records, *input_shape)``.
        given: what is told of each; see ``Weigh``, ``(records,)``.
        reference: what each surprises the reference by, ``(records,)``; zeros: there is none.
        alphabet: slots.
        numbers: of the records; left out: all, from 0.
    """

    probe: ClassVar[type[Probe]] = Weigh
    grades: ClassVar[bool] = True  # and no symbols, which alone a verdict holds
    most_rules: ClassVar[int] = 2
    told: ClassVar[tuple[str, ...]] = ("", MIDDLE)

    feed: Feed
    inputs: Array
    given: Numbers
    reference: Numbers
    alphabet: int
    numbers: tuple[int, ...] = ()

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the records, ascending."""
        return self.numbers or range(len(self.inputs))

    def records(self) -> list[bytes]:
        """Return the bytes of each record."""
        return [weighed.record(self.feed, self.inputs[i : i + 1], told) for i, told in enumerate(self.given.tolist())]

    def leaves(self) -> list[bytes]:
        """Return a line with what each record surprises the reference by and how long it is, then the record."""
        known = self.reference.tolist()
        return [b"record %d %d\n" % (known[i], len(one)) + one for i, one in enumerate(self.records())]

    def probes(self) -> list[Weigh]:
        """Return one question: how much each record surprises."""
        return [Weigh(self.feed, self.inputs, self.given)]

    def queries(self) -> dict[int, bytes]:
        """Return the bytes of each record by its number."""
        return dict(zip(self.trials, self.records(), strict=True))

    def answers(self, observed: Sequence[Array]) -> Numbers:
        """Return the surprisals."""
        return np.asarray(observed[0], np.int64)

    def every(self, observed: Sequence[Array]) -> list[Numbers]:
        """Return the surprisals, and the table of the second rule, ``(records, slots)``."""
        plain = self.answers(observed)
        return [plain, self._table(plain, -(self._slots**2))]

    def against(self, host: Suspect) -> "Ordered":
        """Return the carriers as they are: they are read by answers alone."""
        return self

    def scores(self, answers: Numbers) -> Scores:
        """Return for each record a score a slot: the more, the likelier it is and the later the slot; of a table that table."""
        return Scores(self._table(answers, self._slots) if answers.ndim == 1 else answers)

    @property
    def _slots(self) -> Numbers:
        return 2 * np.arange(self.alphabet) - (self.alphabet - 1)

    def _table(self, answers: Numbers, slots: Numbers) -> Numbers:
        """Return the grade of each record, from their middle, times what each slot counts; no score is below zero."""
        known = answers >= 0
        each = weighed.weighed(self.feed, self.inputs, self.given)
        likely = -residuals((answers / each)[known], (self.reference / each)[known])
        places = np.zeros(len(answers), np.int64)
        places[known] = 2 * grades(likely, GRADES) - (GRADES - 1)
        return _products(places, slots)

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a record a trial, and as many slots as an order may have."""
        if not SLOTS[0] <= public.alphabet <= SLOTS[1]:
            raise MismatchError(f"expected {SLOTS[0]} to {SLOTS[1]} slots of {public.scheme}, got {public.alphabet}")
        require_each(public, 1)

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Ordered":
        """Return the records that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        trials = whole_trials(leaves, 1)
        heads = [_HEAD.match(leaves[trial]) for trial in trials]
        fits = (head and head.end() + int(head[2]) == len(leaves[i]) for head, i in zip(heads, trials, strict=True))
        if not all(fits) or any(int(head[1]) > MOST_SURPRISAL for head in heads if head):
            raise MalformedError("expected records as carriers, got something else")
        found = [leaves[trial][head.end() :] for trial, head in zip(trials, heads, strict=True) if head]
        inputs, told = weighed.parsed(public.feed, found)
        reference = np.array([int(head[1]) for head in heads if head], np.int64)
        return cls(public.feed, inputs, told, reference, public.alphabet, trials)

    @classmethod
    def cut(cls, data: bytes, count: int) -> list[bytes]:
        """Return the leaves that stand one after the other; see ``weighed.cut``."""
        return weighed.cut(data, count, lambda head: int(head[2]), _HEAD)
