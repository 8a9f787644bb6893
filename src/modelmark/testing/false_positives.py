"""False positives: what independent draws and fresh keys find in models that are not marked."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark import hashing
from modelmark.evidence import stats
from modelmark.evidence.evidence import Evidence
from modelmark.key.draw import Draw
from modelmark.marks.keys import Key, keygen
from modelmark.marks.reading import read
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import Task

LEVELS = (0.5, 0.1, 0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Level:
    """How often evidence at one level occurred, beside how often it must.

    Args:
        matches: the fewest matches that reach the level.
        exact: their exact chance, the attainable level.
        observed: the share of draws that reached it.
        errors: the difference in standard errors.
    """

    matches: int
    exact: float
    observed: float
    errors: float


def messages(alphabet: int, trials: int, draws: int, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return the messages of ``draws`` independent draws, ``(draws, trials)``, each made as a key's own is."""
    statements = (hashing.digest("null-study", f"{seed}/{index}".encode()) for index in range(draws))
    return np.stack([Draw(statement).message(alphabet, trials) for statement in statements])


def levels(key: Key, unmarked: nn.Module, drawn: npt.NDArray[np.int64]) -> list[Level]:
    """Hold many messages against one unmarked model's fixed answers to ``key``'s carriers.

    Args:
        key: any key; only its carriers matter.
        unmarked: asked once.
        drawn: from ``messages``, ``(draws, trials)``.
    """
    trials, alphabet = key.scheme.size(key.feed)
    symbols = read(key.carriers, WhiteBox(unmarked)).scores[0].symbols
    matches = (drawn == symbols).sum(axis=1)
    found = []
    for level in LEVELS:
        fewest = stats.minimum_matches(-np.log2(level), trials, Fraction(1, alphabet))
        if fewest is None:
            continue
        exact = 2.0 ** -stats.tail_bits(fewest, trials, Fraction(1, alphabet))
        observed = float((matches >= fewest).mean())
        error = np.sqrt(exact * (1 - exact) / len(matches))
        found.append(Level(fewest, exact, observed, float((observed - exact) / error)))
    return found


def fresh_keys(key: Key, unmarked: nn.Module, count: int, task: Task | None = None) -> list[float]:
    """Return the gross bits that ``count`` new keys of the same scheme find in an unmarked model."""
    bits = []
    for _ in range(count):
        other = keygen(key.scheme, unmarked, key.feed, task=task).mark()
        found = other.evidence(WhiteBox(unmarked))
        assert isinstance(found, Evidence)
        bits.append(found.gross_bits)
    return bits
