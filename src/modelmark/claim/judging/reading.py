"""From an opening to what a suspect is asked, and from its answers to the symbols of the trials that are judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, takewhile
from math import prod

import numpy as np
import numpy.typing as npt

from modelmark import carriers
from modelmark.carriers.base import Carriers, Symbols, every, told
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.suspects.base import ABSTAIN, MISSING, Suspect
from modelmark.suspects.places import MOST
from modelmark.suspects.transcript import Recorded

Kinds = Mapping[str, type[Carriers]]
"""Kinds of carriers of schemes outside the table, by their name in statements."""


@dataclass(frozen=True)
class Answered:
    """What a suspect gave.

    Args:
        queries: what stands for each query in a record, by number.
        answers: of each, in the same order; ``MISSING`` where nobody asked.
        symbols: of the trials that are judged, in order, up to the first whose queries have not all been answered.
        readings: that were tried, of which this is the best.
        word: how the suspect was read, and what could not be read.
    """

    queries: Mapping[int, bytes]
    answers: npt.NDArray[np.int64]
    symbols: tuple[int, ...]
    readings: int = 1
    word: str = ""


def kind(statement: Statement, kinds: Kinds | None = None, *, recorded: bool = False) -> type[Carriers]:
    """Return how a suspect of this key is read.

    Args:
        statement: of the key.
        kinds: of schemes outside the table.
        recorded: whether a record of answers is all there is.

    Raises:
        MismatchError: the scheme is not known or gives no symbols, its message was chosen, its numbers do not fit together, or no
            record of answers can hold its queries.
    """
    found = carriers.kind(statement.scheme) or (kinds or {}).get(statement.scheme)
    if found is None:
        raise MismatchError(
            f"expected one of {', '.join(carriers.KINDS)}, the carriers of {statement.scheme} are not known here",
            hint=f"a scheme elsewhere is judged with its code; if you trust it: --scheme {statement.scheme}",
        )
    if statement.parameters.get("message", "drawn") != "drawn":
        raise MismatchError("expected a message that was drawn, this key's was chosen: there is no exact test")
    if getattr(found, "grades", False):
        raise MismatchError(
            f"expected a scheme that reads symbols, a verdict cannot hold the graded scores of {statement.scheme}",
            hint="its owner reads it: modelmark verify",
        )
    found.check(statement)
    if recorded and found.probe not in Recorded.answers:
        raise MismatchError(f"expected a scheme whose carriers are asked as they are, got {statement.scheme}")
    return found


def answered(
    ways: Mapping[str, Callable[[], Suspect]], opened: Carriers, trials: Sequence[int], expected: Sequence[int]
) -> Answered:
    """Ask the suspect, or read it, in all ways that were named; the best reading counts.

    A suspect that cannot be read in a way matches nowhere in it: all its answers are refusals.

    Args:
        ways: the suspect that answers the carriers' probes, made when it is its turn, by how it is read.
        opened: the carriers.
        trials: that are judged, in the order in which they count.
        expected: the drawn symbol of each, in the same order.

    Raises:
        MismatchError: the scheme gives scores and not symbols.
    """
    found: list[tuple[str, npt.NDArray[np.int64]]] = []
    queries, refusals, count = opened.queries(), list[str](), 0
    for word, way in ways.items():
        try:
            read = _read(way(), opened)
        except (MismatchError, SuspectError) as error:
            refusals.append(f"not {word}: {error}")
            read = [np.full(len(queries), ABSTAIN, np.int64)]
        count += len(read)
        rules = told(opened) or ("",)
        found += [(", ".join(filter(None, (word, rules[i % len(rules)]))), each) for i, each in enumerate(read)]
    read_as = [(symbols(opened, answers, trials), word, answers) for word, answers in found]
    best, word, answers = max(read_as, key=lambda one: sum(a == b for a, b in zip(one[0], expected, strict=False)))
    tried = f"{word}, the best of {count} readings" if count > 1 else word
    said = "; ".join(refusals) if len(refusals) == len(ways) else "; ".join([tried, *refusals])
    return Answered(queries, answers, best, count, said)


def _read(suspect: Suspect, opened: Carriers) -> list[npt.NDArray[np.int64]]:
    """Return the answers at every place that fits, by every rule."""
    probed = [suspect.observe(probe) for probe in opened.probes()]
    count = prod(map(len, probed))
    if count > MOST:
        raise MismatchError(f"expected at most {MOST} ways to read the suspect, got {count}")
    return [answers for choice in product(*probed) for answers in every(opened, choice)]


def symbols(opened: Carriers, answers: npt.NDArray[np.int64], trials: Sequence[int]) -> tuple[int, ...]:
    """Return the symbol of each trial, up to the first whose queries have not all been answered.

    Raises:
        MismatchError: the scheme gives scores and not symbols.
    """
    whole, found = (answers.reshape(-1, opened.each) != MISSING).all(axis=1), _symbols(opened, answers).tolist()
    rows = {trial: row for row, trial in enumerate(opened.trials)}
    return tuple(found[rows[trial]] for trial in takewhile(lambda trial: whole[rows[trial]], trials))


def _symbols(opened: Carriers, answers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if isinstance(opened, Symbols) and type(opened).scores is Symbols.scores:  # no table of trials by symbols is made
        return opened.symbols(answers)
    try:
        scores = opened.scores(answers)
    except ValueError as error:
        raise MismatchError(f"expected a scheme that reads symbols, got other scores: {error}") from None
    if not scores.is_counting:
        raise MismatchError("expected a scheme that reads symbols, a verdict cannot hold graded scores")
    return scores.symbols


def cut(statement: Statement, data: bytes | Sequence[bytes], numbers: Sequence[int]) -> dict[int, bytes]:
    """Return carriers that are asked as they are, handed over one after the other or each by itself, by their numbers.

    Raises:
        MismatchError: a scheme that is not read by asking.
        MalformedError: more or fewer of them, or something else.
    """
    asked = kind(statement, recorded=True)
    if isinstance(data, bytes) and (own := getattr(asked, "cut", None)) is not None:  # they say how long they are
        data = own(data, len(numbers))
    if isinstance(data, bytes):
        size, rest = divmod(len(data), len(numbers))
        if rest:
            raise MalformedError(f"expected the {len(numbers)} carriers of the lot, got {len(data)} bytes")
        data = [data[size * i : size * (i + 1)] for i in range(len(numbers))]
    if len(data) != len(numbers):
        raise MalformedError(f"expected the {len(numbers)} carriers of the lot, got {len(data)}")
    found = dict(zip(numbers, data, strict=True))
    asked.opened(statement, found, {})
    return found
