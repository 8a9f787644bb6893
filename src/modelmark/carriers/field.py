"""Ordinary inputs with coordinates: drawn signs, one for each coordinate and class, shift what a network answers: ``field``.

A marked network's scores carry ``eps * g_c(x)`` with ``g_c(x) = sum_k s_kc u_k(x) / sqrt(K)``. What a suspect shows of it is
``t_kc``, the sum over all queries x of ``u_k(x) * (1 where it answers c, less the reference's share of c)``. Answers, coordinates
and references are there whatever the signs are, so that for a suspect that does not depend on the draw each sign of t agrees
with the drawn one like a fair coin, and their sum weighed by ``|t|`` has the exact tail of any other table of scores.

References need no trust: they are committed with the queries. The closer they are to what a copy of this network answers
where it has no mark, the more bits are left of a copy that has it. All are whole numbers, so that a judge finds the same t.
Loads without torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import MOST_QUERIES, Public, Symbols, number
from modelmark.carriers.rows import require_bits
from modelmark.errors import MalformedError, MismatchError
from modelmark.evidence.scores import Scores
from modelmark.feeds.base import Array, Feed
from modelmark.suspects.base import ABSTAIN, Ask, Probe, Suspect, Weigh

UNIT = 256
"""The whole number that stands for a coordinate of 1.0."""
CLIP = 3 * UNIT
"""The largest coordinate either way, so that no input decides a coin alone."""
SCALE = 2**14
"""To which the shares of a reference add up."""
GRADES = 31
"""The score of the clearest coin; the others by their part of it."""
MOST_DIRECTIONS = 1024
MOST_SIGNS = 2**14
"""Of directions and classes, as an opening and a verdict hold."""
COUNTED = 1000
"""Signs up to which the tail of graded sums is counted; beyond it is bounded, and a verdict has signs alone."""
MOST_SHARES = 2**24
"""Queries times classes: what one reference to all queries has; 128 MiB as it is reckoned with."""
MOST_TOLD = 2**19
"""Queries of one opening, a class each where probabilities are read: what a record of answers has lines for."""
LABELS, PROBABILITIES = "labels", "probabilities"
GRADED = "how clearly each sign shows"
NEARER = "how clearly each sign shows, against host and rehearsals"
Numbers = npt.NDArray[np.int64]
_COORDINATE, _SHARE = np.dtype(">i2"), np.dtype(">u2")


@dataclass(frozen=True, eq=False)
class Fields(Symbols):
    """Queries with coordinates, and what two references answer to each.

    Args:
        feed: how the model is fed.
        inputs: queries as the feed stores them, the most telling first, ``(N, *input_shape)``.
        coordinates: int16 in parts of ``UNIT``, ``(N, K)``.
        references: uint16 shares of each class, that of a copy without a mark and that of the host, ``(N, 2, C)``; the sum of
            each is ``SCALE``.
        edit: what one sign adds to a row of the head and to its bias, float32 ``(K, M + 1)``; no leaf holds it.
    """

    probe: ClassVar[type[Probe]] = Ask
    most_rules: ClassVar[int] = 3
    told: ClassVar[tuple[str, ...]] = ("", GRADED, NEARER)
    shared: ClassVar[bool] = True  # every query is one of every trial
    alphabet = 2

    feed: Feed
    inputs: Array
    coordinates: npt.NDArray[np.int16]
    references: npt.NDArray[np.uint16]
    edit: npt.NDArray[np.float32] | None = None

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the coins: that of direction k and class c is ``k * C + c``."""
        return range(self.coordinates.shape[1] * self.references.shape[2])

    def leaves(self) -> list[bytes]:
        """Return for each query its coordinates, both references, all as big-endian words of 16 bits, and the input."""
        ours, known = self.coordinates.astype(_COORDINATE), self.references.astype(_SHARE)
        return [
            own.tobytes() + other.tobytes() + leaf
            for own, other, leaf in zip(ours, known, self.feed.leaves(self.inputs), strict=True)
        ]

    def probes(self) -> list[Ask]:
        """Return one question: the label of every query."""
        return [Ask(self.feed, self.inputs)]

    def asked(self, number: int) -> Ask:
        """Return the question of one query."""
        return Ask(self.feed, self.inputs[number : number + 1])

    @property
    def parts(self) -> int:
        """N."""
        return len(self.inputs)

    def between(self, start: int, stop: int) -> Ask | Weigh:
        """Return the question of some queries."""
        part = replace(self, inputs=self.inputs[start:stop])
        return part.probes()[0]

    def first(self, count: int) -> "Fields":
        """Return the field with its first queries alone."""
        return replace(
            self, inputs=self.inputs[:count], coordinates=self.coordinates[:count], references=self.references[:count]
        )

    def queries(self) -> dict[int, bytes]:
        """Return each input by the number of its leaf; its coordinates are no part of the question."""
        return dict(enumerate(self.feed.leaves(self.inputs)))

    def answers(self, observed: Sequence[Array]) -> Numbers:
        """Return the labels."""
        return np.asarray(observed[0], np.int64)

    def every(self, observed: Sequence[Array]) -> list[Numbers]:
        """Return the labels, and the tables of the graded rules against each reference, ``(trials, 2)``."""
        labels = self.answers(observed)
        return [labels, self.table(labels), self.table(labels, nearer=True)]

    def against(self, host: Suspect) -> "Fields":
        """Return the carriers as they are: what the host answers is committed already."""
        return self

    def sums(self, labels: Numbers, *, nearer: bool = False) -> Numbers:
        """Return t times ``2 * SCALE * UNIT``, ``(K * C,)``; a query without an answer counts for nothing.

        Args:
            labels: of the queries, ``(N,)``.
            nearer: against the mean of both references, which a marked network itself and what is tuned from it are nearer to.
        """
        classes = self.references.shape[2]
        there = (labels >= 0) & (labels < classes)
        known = self.references[there].astype(np.int64)
        shares = known.sum(axis=1) if nearer else 2 * known[:, 0]
        one = 2 * SCALE * (labels[there, None] == np.arange(classes))
        return np.asarray((self.coordinates[there].astype(np.int64).T @ (one - shares)).ravel(), np.int64)

    def symbols(self, answers: Numbers) -> Numbers:
        """Return 1 where a sum is above zero, 0 where it is below, ``ABSTAIN`` where it is zero."""
        found = self.sums(answers)
        return np.where(found > 0, 1, np.where(found < 0, 0, ABSTAIN)).astype(np.int64)

    def table(self, labels: Numbers, *, nearer: bool = False) -> Numbers:
        """Return for each coin the grade of its sum under the sign that the sum has, 0 under the other, ``(K * C, 2)``."""
        found = self.sums(labels, nearer=nearer)
        size = np.abs(found)
        most = max(int(size.max(initial=0)), 1)
        grades = (2 * GRADES * size + most) // (2 * most)  # to the nearest
        table = np.zeros((len(found), 2), np.int64)
        table[np.arange(len(found)), (found > 0).astype(np.int64)] = grades
        return table

    def scores(self, answers: Numbers) -> Scores:
        """Return 1 for the sign that is read; of a table of grades that table."""
        return super().scores(answers) if answers.ndim == 1 else Scores(answers)

    @classmethod
    def queries_per_trial(cls, public: Public) -> int:
        """Return 1."""
        return 1

    @classmethod
    def questions(cls, public: Public) -> int:
        """Return N, or of probabilities N times C."""
        likely = public.parameters.get("answers", LABELS) == PROBABILITIES
        return public.carriers * (public.feed.classes if likely else 1)

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a sign for each direction and class, and no more queries than are asked."""
        require_bits(public)
        directions = number(public, "directions", MOST_DIRECTIONS)
        if directions * public.feed.classes != public.trials:
            raise MismatchError(
                f"expected {directions} directions times {public.feed.classes} classes, got {public.trials} trials"
            )
        if number(public, "queries", MOST_QUERIES) != public.carriers:
            raise MismatchError(f"expected a carrier a query, got {public.carriers} carriers")
        if (shares := public.carriers * public.feed.classes) > MOST_SHARES:
            raise MismatchError(f"expected at most {MOST_SHARES} queries times classes, got {shares}")
        kind_of(public.parameters.get("answers", LABELS))
        if (told := cls.questions(public)) > MOST_TOLD:
            raise MismatchError(f"expected at most {MOST_TOLD} answers, as a record holds, got {told}")

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Fields":
        """Return the queries that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        if sorted(leaves) != list(range(public.carriers)):
            raise MismatchError(f"expected all {public.carriers} queries, which every sign shares, got {len(leaves)}")
        directions, classes = number(public, "directions"), public.feed.classes
        first = directions * _COORDINATE.itemsize
        head = first + 2 * classes * _SHARE.itemsize
        whole = [leaves[index] for index in range(public.carriers)]
        if min(map(len, whole)) <= head:
            raise MalformedError("expected queries with coordinates and references as carriers, got something else")
        inputs = public.feed.parse([leaf[head:] for leaf in whole])
        coordinates = np.stack([np.frombuffer(leaf, _COORDINATE, directions) for leaf in whole]).astype(np.int16)
        known = np.stack([np.frombuffer(leaf, _SHARE, 2 * classes, first) for leaf in whole]).astype(np.uint16)
        references = known.reshape(-1, 2, classes)
        kind = kind_of(public.parameters.get("answers", LABELS))
        if fault := kind.fault(coordinates, references):
            raise MalformedError(f"expected {fault} in carriers, got others")
        return kind(public.feed, inputs, coordinates, references)

    @classmethod
    def fault(cls, coordinates: npt.NDArray[np.int16], references: npt.NDArray[np.uint16]) -> str:
        """Return what is expected of coordinates and references where it is not so."""
        return fault_of(coordinates, references)


def kind_of(answers: object) -> type[Fields]:
    """Return the carriers of a statement that says what is read: ``labels`` or ``probabilities``.

    Raises:
        MismatchError: it says something else.
    """
    from modelmark.carriers.likely import Likely

    kinds = {LABELS: Fields, PROBABILITIES: Likely}
    if not isinstance(answers, str) or answers not in kinds:
        raise MismatchError(f"expected labels or probabilities as answers in the statement, got {answers!r}"[:120])
    return kinds[answers]


def fault_of(coordinates: npt.NDArray[np.int16], references: npt.NDArray[np.uint16]) -> str:
    """Return what is expected of coordinates and references where it is not so."""
    if np.abs(coordinates.astype(np.int64)).max(initial=0) > CLIP:
        return f"coordinates of at most {CLIP}"
    if (references.astype(np.int64).sum(axis=2) != SCALE).any():
        return f"references that add up to {SCALE}"
    return ""
