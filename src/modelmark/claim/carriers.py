"""From opened carriers' bytes to what a suspect is asked or read with, and from its answers to symbols; without torch.

Only schemes whose carriers say everything that a reading needs can be judged from an opening: ``READINGS`` lists them;
``composed`` has those in which one query needs several carriers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelmark.claim import composed
from modelmark.claim.statement import MOST_CARRIERS, Statement
from modelmark.errors import MalformedError, MismatchError

ABSTAIN = -1
"""An answer that is no label; it never matches."""
UNIT = 65536
"""The integer that stands for 1.0 in a row of a projection."""

Form = Literal["pictures", "rows", "filtered", "means"]

READINGS: dict[str, Form] = {
    "adi": "pictures",
    "coupled": "pictures",
    "deepsigns": "means",
    "deepsigns-blackbox": "pictures",
    "null": "filtered",
    "uchida": "rows",
}
"""Schemes that can be judged from an opening, and what their carriers are."""


@dataclass(frozen=True)
class Reading:
    """How a suspect is read.

    Args:
        form: ``pictures`` that it is asked, ``filtered`` ones, ``rows`` that its weights are projected on, or ``means`` of
            what a layer receives.
        each: queries of one trial, for the first three one carrier each; its symbol is the plurality of their answers.
        needs: concealed values that the claimant must reveal.
    """

    form: Form
    each: int
    needs: tuple[str, ...]


def reading(statement: Statement) -> Reading:
    """Return how a suspect of this key is read.

    Raises:
        MismatchError: it cannot be read from an opening, or its message was chosen rather than drawn.
    """
    scheme = statement.scheme
    if scheme not in READINGS:
        raise MismatchError(
            f"expected one of {', '.join(READINGS)}, the carriers of {scheme} cannot be judged from an opening yet"
        )
    if statement.parameters.get("message") != "drawn":
        raise MismatchError("expected a message that was drawn, this key's was chosen: there is no exact test")
    form = READINGS[scheme]
    each = statement.parameters.get("queries") if scheme in ("coupled", "null") else 1
    if not isinstance(each, int) or isinstance(each, bool) or not 1 <= each <= MOST_CARRIERS // statement.trials:
        raise MismatchError(f"expected a number of queries a trial, got {each!r}")
    if form == "filtered":
        composed.filtered(statement)
    elif form == "means":
        composed.means(statement)
    elif statement.carriers != statement.trials * each:
        raise MismatchError(f"expected {each} carriers a trial, got {statement.carriers} for {statement.trials} trials")
    if form in ("rows", "means"):
        if statement.alphabet != 2:
            raise MismatchError(f"expected bits of {scheme}, got an alphabet of {statement.alphabet}")
        return Reading(form, 1, ("layer",))
    if statement.alphabet != statement.interface.classes:
        raise MismatchError(
            f"expected an alphabet of all {statement.interface.classes} classes, got {statement.alphabet}"
        )
    return Reading(form, each, ())


def require_asked(statement: Statement) -> Reading:
    """Return how a suspect is read of which only a record of answers is at hand.

    Raises:
        MismatchError: a scheme that is read from weights, or by queries that no stored picture can hold.
    """
    how = reading(statement)
    if how.form != "pictures":
        raise MismatchError(f"expected a scheme whose carriers are asked as they are, got {statement.scheme}")
    return how


def queries(statement: Statement, shown: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return what stands for each query in a record, by number; where a query is one carrier, the carriers.

    Raises:
        MalformedError: the carriers are not what the scheme's carriers are.
    """
    form = reading(statement).form
    if form in ("pictures", "rows"):
        parse = pictures if form == "pictures" else rows
        parse(statement, list(shown.values()))
        return dict(shown)
    found = composed.queries(statement, shown)
    layout = composed.filtered(statement) if form == "filtered" else composed.means(statement)
    below = [shown[i] for i in range(layout.first, statement.carriers)]
    pictures(statement, composed.unlabelled("label" if form == "filtered" else "class", below))
    if form == "filtered":
        composed.planes(statement, [shown[i] for i in range(layout.first)])
    else:
        composed.projections(statement, shown)
    return found


def pictures(statement: Statement, carriers: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return opened pictures, uint8 ``(N, *input_shape)``.

    Raises:
        MalformedError: a carrier is not a picture of the claimed shape.
    """
    shape = statement.interface.input_shape
    prefix, size = f"uint8 {'x'.join(map(str, shape))}\n".encode(), math.prod(shape)
    for carrier in carriers:
        if len(carrier) != len(prefix) + size or not carrier.startswith(prefix):
            raise MalformedError(
                f"expected pictures of {'x'.join(map(str, shape))} bytes as carriers, got something else"
            )
    return np.stack([np.frombuffer(carrier, np.uint8, size, len(prefix)).reshape(shape) for carrier in carriers])


def cut(statement: Statement, data: bytes, numbers: Sequence[int]) -> dict[int, bytes]:
    """Return pictures that stand one after the other, by their numbers.

    Raises:
        MismatchError: a scheme that is not read by asking.
        MalformedError: more or fewer of them, or something else.
    """
    require_asked(statement)
    size, rest = divmod(len(data), len(numbers))
    if rest:
        raise MalformedError(f"expected the {len(numbers)} carriers of the lot, got {len(data)} bytes")
    found = {number: data[size * i : size * (i + 1)] for i, number in enumerate(numbers)}
    pictures(statement, list(found.values()))
    return found


def rows(statement: Statement, carriers: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """Return opened rows of a projection as numbers, ``(N, M)``.

    Raises:
        MalformedError: a carrier is not a row of the claimed width.
    """
    width = statement.parameters.get("width")
    if not isinstance(width, int) or any(len(carrier) != 4 * width for carrier in carriers):
        raise MalformedError(f"expected rows of {width} integers as carriers, got something else")
    return np.stack([np.frombuffer(carrier, ">i4") for carrier in carriers]).astype(np.float64) / UNIT


def of_trials(how: Reading, trials: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the carriers of each trial."""
    return [tuple(range(trial * how.each, (trial + 1) * how.each)) for trial in trials]


def symbols(how: Reading, trials: Sequence[int], answers: Mapping[int, int]) -> list[int]:
    """Return the symbol of each trial, up to the first whose carriers have not all been answered.

    Args:
        how: see ``reading``.
        trials: ascending.
        answers: by carrier.
    """
    found = []
    for group in of_trials(how, trials):
        if any(carrier not in answers for carrier in group):
            break
        found.append(plurality([answers[carrier] for carrier in group]))
    return found


def plurality(answers: Sequence[int]) -> int:
    """Return the most frequent answer, ties to the lowest; refusals do not count, unless there is nothing else."""
    given = [answer for answer in answers if answer != ABSTAIN]
    return min(given, key=lambda answer: (-given.count(answer), answer)) if given else ABSTAIN
