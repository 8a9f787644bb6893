"""What each rule makes of a suspect's answers, and which of several readings counts: the one that is worth most."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers, Symbols, shared
from modelmark.errors import MismatchError
from modelmark.evidence import stats
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.suspects.base import ABSTAIN, MISSING

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Read:
    """One reading of a suspect.

    Args:
        word: how it was read.
        answers: to the queries, as a record holds them.
        symbols: of the trials that are judged, in order, up to the first whose queries have not all been answered.
        scores: grades of the same trials, where the rule grades and the tail of their sum can be counted.
    """

    word: str
    answers: Numbers
    symbols: tuple[int, ...]
    scores: Scores | None = None

    @classmethod
    def of(cls, opened: Carriers, trials: Sequence[int], word: str, answers: Numbers, read: Numbers) -> "Read":
        """Return what one rule makes of a suspect.

        Args:
            opened: the carriers.
            trials: that are judged, in order.
            word: how it was read.
            answers: to the queries.
            read: what the rule gave: answers, or a table of grades. A table whose tail is too long to be counted stands for its
                symbols alone, as bounds are no verdict's.

        Raises:
            MismatchError: the scheme gives scores and not symbols.
        """
        if read.ndim == 1:
            return cls(word, read, symbols(opened, read, trials))
        if (answers == MISSING).any():
            return cls(word, answers, ())
        scores = Scores(read[_rows(opened, trials)])
        best = scores.table.max(axis=1, keepdims=True)
        clear = (scores.table == best).sum(axis=1) == 1
        found = np.where(clear, scores.table.argmax(axis=1), ABSTAIN)
        return cls(word, answers, tuple(found.tolist()), scores if scores.is_counted else None)

    def matches(self, expected: Sequence[int]) -> int:
        """Return how many symbols are as drawn."""
        return sum(a == b for a, b in zip(self.symbols, expected, strict=False))

    def bits(self, expected: Sequence[int], alphabet: int) -> float:
        """Return what the reading is worth by the exact test; symbols that are not there match nowhere."""
        if self.scores is not None:
            return tail_bits(self.scores, self.scores.total(np.array(expected, np.int64))).bits
        return stats.tail_bits(self.matches(expected), len(expected), Fraction(1, alphabet))


def best_of(found: Sequence[Read], expected: Sequence[int]) -> Read:
    """Return the best reading, the first of equals: by matches, or by bits where a match is not worth the same by all rules."""
    alphabet = next((one.scores.table.shape[1] for one in found if one.scores is not None), 0)
    return max(found, key=lambda one: one.bits(expected, alphabet) if alphabet else one.matches(expected))


def symbols(opened: Carriers, answers: Numbers, trials: Sequence[int]) -> tuple[int, ...]:
    """Return the symbol of each trial, up to the first whose queries have not all been answered.

    Of trials that share all queries none is there before all were answered.

    Raises:
        MismatchError: the scheme gives scores and not symbols.
    """
    if shared(opened):
        whole = np.full(len(opened.trials), (answers != MISSING).all())
    else:
        whole = (answers.reshape(-1, opened.each) != MISSING).all(axis=1)
    found = _symbols(opened, answers)
    rows = [*takewhile(lambda row: whole[row], _rows(opened, trials))]
    return tuple(found[rows].tolist())


def _rows(opened: Carriers, trials: Sequence[int]) -> list[int]:
    rows = {trial: row for row, trial in enumerate(opened.trials)}
    return [rows[trial] for trial in trials]


def _symbols(opened: Carriers, answers: Numbers) -> Numbers:
    if isinstance(opened, Symbols) and type(opened).scores is Symbols.scores:  # no table of trials by symbols is made
        return opened.symbols(answers)
    try:
        scores = opened.scores(answers)
    except ValueError as error:
        raise MismatchError(f"expected a scheme that reads symbols, got other scores: {error}") from None
    if not scores.is_counting:
        raise MismatchError("expected a scheme that reads symbols, a verdict cannot hold graded scores without symbols")
    return scores.symbols
