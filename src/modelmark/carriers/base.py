"""What a mark's carriers do: they are committed, say what to look at, and turn what came back into scores. Loads without torch.

::

    carriers ─ leaves() ─▶ commitment, opening
             ─ probes() ─▶ suspect.observe ─▶ answers(...) ─▶ record, scores(...) ─▶ evidence

Carriers are made from a key, or from the leaves that an opening shows; both read a suspect alike, because what is read
depends on nothing else: ``opened(statement, dict(enumerate(carriers.leaves())), revealed)`` has the probes of ``carriers``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError
from modelmark.evidence.scores import Scores
from modelmark.feeds.base import Feed
from modelmark.suspects.base import ABSTAIN, MISSING, Array, Ask, Probe, Suspect, Weigh

MOST_CARRIERS = 2**20
"""That a statement may count; twice what a key file may attach."""
MOST_QUERIES = 2**16
"""Inputs that a suspect is asked, or that its layers receive, for one opening; four times the carriers of the largest."""


class Carriers(Protocol):
    """What a key commits to, and how a suspect is read with it.

    ``probe`` is the kind of question that ``probes`` asks, ``reveals`` the concealed values of a statement without which it
    cannot be asked. The queries of one trial follow one another.
    """

    probe: ClassVar[type[Probe]]
    reveals: ClassVar[tuple[str, ...]]

    @property
    def each(self) -> int:
        """Queries of one trial."""
        ...

    @classmethod
    def check(cls, public: "Public") -> None:
        """Raise MismatchError unless the numbers of a public statement fit together."""
        ...

    @classmethod
    def queries_per_trial(cls, public: "Public") -> int:
        """Return ``each`` by the word of a public statement."""
        ...

    @classmethod
    def opened(cls, public: "Public", leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> Self:
        """Return the carriers that an opening shows.

        Args:
            public: the statement.
            leaves: by number; carriers that are trials may be some of all.
            revealed: concealed values by name.

        Raises:
            MismatchError: the statement's numbers do not fit together, or a value was not revealed.
            MalformedError: a leaf is missing, or no carrier of the scheme.
        """
        ...

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the trials that can be read, ascending."""
        ...

    def leaves(self) -> Sequence[bytes]:
        """Return the bytes that the commitment's leaves hide, one leaf per carrier."""
        ...

    def probes(self) -> Sequence[Probe]:
        """Return what is asked of a suspect."""
        ...

    def queries(self) -> Mapping[int, bytes]:
        """Return what stands for each query in a record of answers, by number: all that its answer depends on but the suspect."""
        ...

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return one answer for each of ``queries``, in their order, from what each of ``probes`` gave."""
        ...

    def scores(self, answers: npt.NDArray[np.int64]) -> Scores:
        """Return the table of scores, one row for each of ``trials``, that these answers amount to."""
        ...

    def note(self, observed: Sequence[Array]) -> str:
        """Return what else the observation says, for people; no part of any test."""
        ...


@runtime_checkable
class Ruled(Protocol):
    """Carriers that are read by several rules, each a reading that is charged, and by more of them beside the committed host."""

    most_rules: ClassVar[int]

    def every(self, observed: Sequence[Array]) -> Sequence[npt.NDArray[np.int64]]:
        """Return what ``Carriers.answers`` does, once for each rule; one that grades gives a table, ``(trials, alphabet)``."""
        ...

    def against(self, host: Suspect) -> Carriers:
        """Return the carriers as they are read with the committed host at hand."""
        ...


@runtime_checkable
class Parted(Protocol):
    """Carriers that say something before a suspect was asked everything: the first of their queries tell most."""

    @property
    def parts(self) -> int:
        """How many inputs there are."""
        ...

    def between(self, start: int, stop: int) -> Ask | Weigh:
        """Return the question of some of them, by their places."""
        ...

    def first(self, count: int) -> Carriers:
        """Return the carriers with so many of them, and all of their trials."""
        ...


def rules_of(kind: type[Carriers], *, beside_host: bool) -> int:
    """Return by how many rules carriers of a kind are read at most, with the committed host at hand or without."""
    most: int = getattr(kind, "most_rules", 1)
    return most if beside_host else getattr(kind, "own_rules", most)


def told(carriers: Carriers) -> tuple[str, ...]:
    """Return what a note says of each rule of ``every``, where carriers say it in ``told``; nothing of one that needs no word."""
    words: tuple[str, ...] = getattr(carriers, "told", ())
    return words


def shared(kind: "Carriers | type[Carriers]") -> bool:
    """Return whether every carrier is one of every trial, so that a trial is whole when all queries were answered."""
    found: bool = getattr(kind, "shared", False)
    return found


def questions(kind: type[Carriers], public: "Public") -> int:
    """Return how many queries a record of answers has, of carriers that are shared, by the word of a public statement."""
    own: Callable[[Public], int] | None = getattr(kind, "questions", None)
    return own(public) if own else public.carriers


def every(carriers: Carriers, observed: Sequence[Array]) -> Sequence[npt.NDArray[np.int64]]:
    """Return the answers by each rule of the carriers; most have one."""
    return carriers.every(observed) if isinstance(carriers, Ruled) else [carriers.answers(observed)]


class Public(Protocol):
    """What of a public statement the carriers of an opening are made with; ``claim.statement.Statement`` is one."""

    @property
    def scheme(self) -> str:
        """Name of the scheme, or ``module:Class``."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Settings of the scheme that are no secret."""
        ...

    @property
    def carriers(self) -> int:
        """Number of leaves."""
        ...

    @property
    def trials(self) -> int:
        """Number of symbols."""
        ...

    @property
    def alphabet(self) -> int:
        """Number of values of a symbol."""
        ...

    @property
    def feed(self) -> Feed:
        """How a suspect is fed."""
        ...


class Symbols:
    """Carriers whose answers are symbols: each trial reads one, the plurality of its queries' answers."""

    reveals: ClassVar[tuple[str, ...]] = ()
    alphabet: int
    each: int = 1

    @classmethod
    def queries_per_trial(cls, public: Public) -> int:
        """Return the number of queries in the statement's parameters, 1 if there is none."""
        if "queries" not in public.parameters:
            return 1
        return number(public, "queries", MOST_CARRIERS // public.trials)

    def symbols(self, answers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the symbol of each trial, ``ABSTAIN`` where every answer was a refusal."""
        return plurality(answers.reshape(-1, self.each), self.alphabet)

    def scores(self, answers: npt.NDArray[np.int64]) -> Scores:
        """Return one row a trial, 1 at the symbol that was read and 0 elsewhere."""
        return Scores.one_hot(self.symbols(answers), self.alphabet)

    def note(self, observed: Sequence[Array]) -> str:
        """Return nothing."""
        return ""


def plurality(answers: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Return one symbol per row of answers ``(symbols, queries)``: the most frequent, ties to the lowest class.

    Refusals do not count; a symbol whose every query was refused is ``ABSTAIN``.
    """
    if answers.shape[1] == 1:
        return np.maximum(answers[:, 0], ABSTAIN)
    rows, queries = np.nonzero((answers >= 0) & (answers < classes))
    pairs, counts = np.unique(rows * classes + answers[rows, queries], return_counts=True)
    best = pairs[
        np.lexsort((-pairs, counts))
    ]  # of each row the most frequent comes last, and of those the lowest class
    found = np.full(len(answers), ABSTAIN, np.int64)
    found[best // classes] = best % classes
    return found


def complete(answers: npt.NDArray[np.int64], each: int) -> int:
    """Return how many trials from the first on have all their answers, ``each`` a trial."""
    return int((answers.reshape(-1, each) != MISSING).all(axis=1).cumprod().sum())


def number(public: Public, name: str, most: int | None = None) -> int:
    """Return a positive integer from the statement's parameters.

    Raises:
        MismatchError: there is none of that name, or it is not from 1 to ``most`` (the square of the carriers' number).
    """
    value = public.parameters.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= (most or public.carriers**2):
        raise MismatchError(f"expected the number of {name} in the statement, got {value!r}")
    return value


def require_each(public: Public, each: int) -> None:
    """Raise MismatchError unless there are ``each`` carriers a trial."""
    if public.carriers != public.trials * each:
        raise MismatchError(f"expected {each} carriers a trial, got {public.carriers} for {public.trials} trials")


def require_queries(public: Public, queries: int) -> None:
    """Raise MismatchError unless a suspect would be asked no more than ``MOST_QUERIES``: a small statement can say a million."""
    if queries > MOST_QUERIES:
        raise MismatchError(
            f"expected at most {MOST_QUERIES} queries of {public.scheme} by the statement, got {queries}"
        )


def whole_trials(leaves: Mapping[int, bytes], each: int) -> tuple[int, ...]:
    """Return the trials whose ``each`` carriers are all there, where carriers are the queries of trials in order.

    Raises:
        MismatchError: a trial's are there in part.
    """
    trials = sorted({index // each for index in leaves})
    if sorted(leaves) != [trial * each + i for trial in trials for i in range(each)]:
        raise MismatchError(f"expected all {each} carriers of every trial that is opened, got some of them")
    return tuple(trials)
