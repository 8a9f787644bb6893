"""Records in two versions, of which the draw says which one is trained on: ``twins`` and ``choice``.

A trial is a pair, and its symbol the version that the suspect finds likelier, by what it is surprised for each token, character
or label. A pair that surprises it alike abstains. Both versions are committed before the draw, so that whatever a suspect
prefers, and why, each pair that it did not learn from is a fair coin.

A pair may come with what its versions surprise some reference by: numbers that are committed with it, and need no trust. What
the reference prefers is taken off, which leaves what the suspect learned elsewhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers import weighed
from modelmark.carriers.base import Public, Symbols, require_each, whole_trials
from modelmark.carriers.grading import grades, residuals
from modelmark.carriers.rows import require_bits
from modelmark.carriers.weighed import Numbers
from modelmark.errors import MalformedError
from modelmark.evidence.scores import Scores
from modelmark.feeds.base import Array, Feed
from modelmark.suspects.base import ABSTAIN, MOST_SURPRISAL, Probe, Suspect, Weigh

GRADES = 16
"""Steps from the least to the clearest preference, by rank."""
GRADED = "how clearly each version is preferred"
_HEAD = re.compile(rb"pair (0|[1-9]\d{0,12}) (0|[1-9]\d{0,12}) ([1-9]\d{0,9}) ([1-9]\d{0,9})\n")
VERSIONS = 2


@dataclass(frozen=True, eq=False)
class Pairs(Symbols):
    """Pairs of records, all fed alike.

    Args:
        feed: how the model is fed.
        versions: as the feed stores inputs, version after version of each pair, ``(2 * pairs, *input_shape)``.
        given: what is told of each; see ``Weigh``, ``(2 * pairs,)``.
        reference: what each surprises the reference by, ``(2 * pairs,)``; zeros: there is none.
        numbers: of the pairs; left out: all, from 0.
        graded: whether it is read by a second rule: signed ranks, of which the message picks those that are right.
    """

    probe: ClassVar[type[Probe]] = Weigh
    most_rules: ClassVar[int] = 1  # that a judge reads by
    alphabet = VERSIONS
    each = VERSIONS

    feed: Feed
    versions: Array
    given: Numbers
    reference: Numbers
    numbers: tuple[int, ...] = ()
    graded: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """By which rules it is read."""
        return ("", GRADED) if self.graded else ("",)

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the pairs, ascending."""
        return self.numbers or range(len(self.versions) // VERSIONS)

    def records(self) -> list[bytes]:
        """Return the bytes of each version."""
        return [weighed.record(self.feed, self.versions[i : i + 1], told) for i, told in enumerate(self.given.tolist())]

    def leaves(self) -> list[bytes]:
        """Return a line with what each version surprises the reference by and how long it is, then both."""
        made, known = self.records(), self.reference.tolist()
        heads = (
            b"pair %d %d %d %d\n" % (*known[i : i + VERSIONS], *map(len, made[i : i + VERSIONS]))
            for i in range(0, len(made), VERSIONS)
        )
        return [head + made[VERSIONS * i] + made[VERSIONS * i + 1] for i, head in enumerate(heads)]

    def probes(self) -> list[Weigh]:
        """Return one question: how much each version surprises."""
        return [Weigh(self.feed, self.versions, self.given)]

    def asked(self, number: int) -> Weigh:
        """Return the question of one of ``queries`` alone, by its place among them."""
        return Weigh(self.feed, self.versions[number : number + 1], self.given[number : number + 1])

    def queries(self) -> dict[int, bytes]:
        """Return the bytes of each version by its number."""
        numbers = (trial * VERSIONS + i for trial in self.trials for i in range(VERSIONS))
        return dict(zip(numbers, self.records(), strict=True))

    def answers(self, observed: Sequence[Array]) -> Numbers:
        """Return the surprisals."""
        return np.asarray(observed[0], np.int64)

    def every(self, observed: Sequence[Array]) -> list[Numbers]:
        """Return the surprisals; and, where it is graded, the table of its second rule, ``(pairs, 2)``."""
        plain = self.answers(observed)
        return [plain, self._table(plain)] if self.graded else [plain]

    def against(self, host: Suspect) -> "Pairs":
        """Return the carriers as they are: they are read by answers alone."""
        return self

    def symbols(self, answers: Numbers) -> Numbers:
        """Return the version that each pair surprises less by for its size, ``ABSTAIN`` where it is the same or not known."""
        first, second = self._lengths.reshape(-1, VERSIONS).T.astype(object)  # products are wider than 64 bits
        own = (answers - self.reference).reshape(-1, VERSIONS).astype(object)
        lead = own[:, 1] * first - own[:, 0] * second
        found = np.where(lead > 0, 0, np.where(lead < 0, 1, ABSTAIN)).astype(np.int64)
        return np.where(self._known(answers), found, ABSTAIN)

    def scores(self, answers: Numbers) -> Scores:
        """Return 1 for the version that is preferred; of a table of grades that table."""
        return super().scores(answers) if answers.ndim == 1 else Scores(answers)

    def _table(self, answers: Numbers) -> Numbers:
        """Return for each pair the grade of its preference under the version that is preferred, 0 under the other.

        What the reference prefers is taken off as far as the suspect follows it, by least squares, and what all pairs prefer
        alike, by their median: both depend on answers and reference alone.
        """
        known = self._known(answers)
        lead, others = (
            np.diff((part / self._lengths).reshape(-1, VERSIONS), axis=1)[:, 0] for part in (answers, self.reference)
        )
        rest = residuals(lead[known], others[known])
        table = np.zeros((len(known), VERSIONS), np.int64)
        graded = np.where(rest == 0, 0, grades(np.abs(rest), GRADES) + 1)
        table[np.flatnonzero(known), (rest < 0).astype(np.int64)] = graded
        return table

    def _known(self, answers: Numbers) -> npt.NDArray[np.bool_]:
        return np.asarray((answers >= 0).reshape(-1, VERSIONS).all(axis=1), np.bool_)

    @property
    def _lengths(self) -> Numbers:
        return weighed.weighed(self.feed, self.versions, self.given)

    @classmethod
    def queries_per_trial(cls, public: Public) -> int:
        """Return 2."""
        return VERSIONS

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a pair a trial, and two symbols."""
        require_bits(public)
        require_each(public, 1)

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Pairs":
        """Return the pairs that an opening shows, read by the first rule, as verdicts hold counts; see ``Carriers.opened``."""
        cls.check(public)
        trials = whole_trials(leaves, 1)
        parts = [_split(leaves[trial]) for trial in trials]
        versions, told = weighed.parsed(public.feed, [part for _, both in parts for part in both])
        reference = np.array([number for known, _ in parts for number in known], np.int64)
        return cls(public.feed, versions, told, reference, trials)

    @classmethod
    def cut(cls, data: bytes, count: int) -> list[bytes]:
        """Return the leaves that stand one after the other; see ``weighed.cut``."""
        return weighed.cut(data, count, lambda head: int(head[3]) + int(head[4]), _HEAD)


def _split(leaf: bytes) -> tuple[tuple[int, int], tuple[bytes, bytes]]:
    """Return what a leaf says of the reference, and its two records.

    Raises:
        MalformedError: it is no pair.
    """
    head = _HEAD.match(leaf)
    if head is None or head.end() + int(head[3]) + int(head[4]) != len(leaf):
        raise MalformedError("expected pairs of records as carriers, got something else")
    known, middle = (int(head[1]), int(head[2])), head.end() + int(head[3])
    if max(known) > MOST_SURPRISAL:
        raise MalformedError(f"expected pairs that surprise a reference by {MOST_SURPRISAL} at most, got {max(known)}")
    return known, (leaf[head.end() : middle], leaf[middle:])
