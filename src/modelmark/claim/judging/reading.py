"""From an opening to what a suspect is asked, and from its answers to symbols, or grades, of the trials that are judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from modelmark import carriers
from modelmark.carriers.base import Carriers, every, shared, told
from modelmark.claim.judging.rules import Read, best_of
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.evidence.scores import Scores
from modelmark.suspects.base import ABSTAIN, Suspect
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
        scores: grades of the same trials, where the best reading is by a rule that grades.
    """

    queries: Mapping[int, bytes]
    answers: npt.NDArray[np.int64]
    symbols: tuple[int, ...]
    readings: int = 1
    word: str = ""
    scores: Scores | None = None


def kind(
    statement: Statement, kinds: Kinds | None = None, *, recorded: bool = False, test: str = "exact"
) -> type[Carriers]:
    """Return how a suspect of this key is read.

    Args:
        statement: of the key.
        kinds: of schemes outside the table.
        recorded: whether a record of answers is all there is.
        test: that is named.

    Raises:
        MismatchError: the scheme is not known or gives no symbols, its message was chosen, its numbers do not fit together, no
            record of answers can hold its queries, or no trial is whole before all are, which the e-process would wait for.
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
    if shared(found) and test != "exact":
        raise MismatchError(
            f"expected the exact test of {statement.scheme}, whose trials share all queries, got the {test} test",
            hint="nothing is saved by taking one trial after the other",
        )
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
    found: list[Read] = []
    queries, refusals, count = opened.queries(), list[str](), 0
    given = np.full(len(queries), ABSTAIN, np.int64)
    for word, way in ways.items():
        try:
            read = _read(way(), opened)
        except (MismatchError, SuspectError) as error:
            refusals.append(f"not {word}: {error}")
            read = [np.full(len(queries), ABSTAIN, np.int64)]
        count += len(read)
        rules = told(opened) or ("",)
        for number, each in enumerate(read):
            given = each if each.ndim == 1 else given  # a table is of the answers that stand before it
            said = ", ".join(filter(None, (word, rules[number % len(rules)])))
            found.append(Read.of(opened, trials, said, given, each))
    best = best_of(found, expected)
    tried = f"{best.word}, the best of {count} readings" if count > 1 else best.word
    said = "; ".join(refusals) if len(refusals) == len(ways) else "; ".join([tried, *refusals])
    return Answered(queries, best.answers, best.symbols, count, said, best.scores)


def _read(suspect: Suspect, opened: Carriers) -> list[npt.NDArray[np.int64]]:
    """Return what each rule makes of the answers at every place that fits: answers, or a table of grades."""
    probed = [suspect.observe(probe) for probe in opened.probes()]
    count = prod(map(len, probed))
    if count > MOST:
        raise MismatchError(f"expected at most {MOST} ways to read the suspect, got {count}")
    return [answers for choice in product(*probed) for answers in every(opened, choice)]


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
