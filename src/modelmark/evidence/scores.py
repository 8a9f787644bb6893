"""A test is a table of integer scores: the draw picks one entry a row, and evidence is the tail of the sum, in bits.

Under the null hypothesis each entry of a row is picked with chance ``1 / alphabet``, rows independently, whatever the table;
it only has to be fixed, with the rule that made it, before the draw. A scheme that asks "is this the symbol?" has a single 1
in a row, and its tail is the binomial of ``stats``.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from modelmark.evidence import stats
from modelmark.evidence.stats import Tail
from modelmark.evidence.tails import Table, bound_bits, exact_bits, exact_work

SCORE_MAX = 2**31 - 1
ENTRIES_MAX = 2**24
"""Entries of a table; 128 MiB."""
EXACT_WORK = 2**34
"""Bits that counting may move before the bound is used instead: about two seconds, and 8 MiB at a time."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a suspect's answers are worth for every message that could be drawn.

    Args:
        table: int64 ``(trials, alphabet)``, from 0 to ``SCORE_MAX``: the score of each trial for each symbol drawn.
    """

    table: Table

    def __post_init__(self) -> None:
        shape = self.table.shape
        if len(shape) != 2 or shape[1] < 2 or self.table.size > ENTRIES_MAX:
            raise ValueError(f"expected scores (trials, alphabet) of at most {ENTRIES_MAX} entries, got shape {shape}")
        if self.table.dtype != np.int64 or not ((self.table >= 0) & (self.table <= SCORE_MAX)).all():
            raise ValueError(f"expected int64 scores from 0 to {SCORE_MAX}, got {self.table.dtype} or others")

    @classmethod
    def one_hot(cls, symbols: npt.NDArray[np.integer], alphabet: int) -> "Scores":
        """Return 1 for the symbol read, 0 for others; a symbol outside the alphabet, such as -1 for none, scores nothing."""
        if len(symbols) * alphabet > ENTRIES_MAX:
            raise ValueError(f"expected at most {ENTRIES_MAX} scores, got {len(symbols)} x {alphabet}")
        return cls((symbols[:, None] == np.arange(alphabet)).astype(np.int64))

    @property
    def most(self) -> int:
        """The largest sum that any message has."""
        return int(self.table.max(axis=1).sum())

    @property
    def symbols(self) -> npt.NDArray[np.int64]:
        """The symbol of each row that counts matches, ``(trials,)``; -1 where a row abstains.

        Raises:
            ValueError: scores are graded, and stand for no symbols.
        """
        if not self.is_counting:
            raise ValueError("expected rows with a single 1, got graded scores")
        found: npt.NDArray[np.int64] = np.where(self.table.any(axis=1), self.table.argmax(axis=1), -1)
        return found

    @property
    def is_counted(self) -> bool:
        """Whether the tail is counted in integers, and not bounded: any machine finds the same."""
        return self.is_counting or exact_work(self.table) <= EXACT_WORK

    @property
    def is_counting(self) -> bool:
        """Whether the sum counts matches: no row has more than a single 1. A row of zeros is a trial that abstained."""
        return bool((self.table <= 1).all() and (self.table.sum(axis=1) <= 1).all())

    def total(self, message: npt.NDArray[np.int64]) -> int:
        """Return the sum of the entries that a message picks, one symbol a row, shape ``(trials,)``."""
        trials, alphabet = self.table.shape
        if message.shape != (trials,) or not ((message >= 0) & (message < alphabet)).all():
            raise ValueError(f"expected {trials} symbols from 0 to {alphabet - 1}, got others or shape {message.shape}")
        return int(self.table[np.arange(trials), message].sum())


def tail_bits(scores: Scores, total: int) -> Tail:
    """Return ``-log2 P(S >= total)`` for a uniform message, or less; the binomial is right to its last digits.

    A table that counts is weighed as ``stats`` weighs matches, bit for bit: its rows of zeros are trials that could have
    matched, which only makes the evidence smaller. The method depends on the table alone, so more is never worth less.
    """
    if not 0 <= total <= scores.most:
        raise ValueError(f"expected 0 <= total <= {scores.most}, got {total}")
    if scores.is_counting:
        trials, alphabet = scores.table.shape
        return Tail(stats.tail_bits(total, trials, Fraction(1, alphabet)), "binomial")
    if scores.is_counted:
        return Tail(exact_bits(scores.table, total), "exact")
    return Tail(bound_bits(scores.table, total), "bound")
