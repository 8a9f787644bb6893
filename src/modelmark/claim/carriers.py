"""From opened carriers' bytes to what a suspect is asked or read with, and from its answers to symbols; without torch.

Only schemes whose carriers say everything that a reading needs can be judged from an opening: ``READINGS`` lists them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelmark.claim.statement import Statement
from modelmark.errors import MalformedError, MismatchError

ABSTAIN = -1
"""An answer that is no label; it never matches."""
UNIT = 65536
"""The integer that stands for 1.0 in a row of a projection."""

Form = Literal["pictures", "rows"]

READINGS: dict[str, Form] = {
    "adi": "pictures",
    "coupled": "pictures",
    "deepsigns-blackbox": "pictures",
    "uchida": "rows",
}
"""Schemes that can be judged from an opening, and what their carriers are."""


@dataclass(frozen=True)
class Reading:
    """How a suspect is read.

    Args:
        form: ``pictures`` that it is asked, or ``rows`` that its weights are projected on.
        each: carriers of one trial; its symbol is the plurality of their answers.
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
    each = statement.parameters.get("queries") if scheme == "coupled" else 1
    if not isinstance(each, int) or isinstance(each, bool) or each < 1 or statement.carriers != statement.trials * each:
        raise MismatchError(f"expected {each} carriers a trial, got {statement.carriers} for {statement.trials} trials")
    if READINGS[scheme] == "rows":
        if statement.alphabet != 2:
            raise MismatchError(f"expected bits of {scheme}, got an alphabet of {statement.alphabet}")
        return Reading("rows", 1, ("layer",))
    if statement.alphabet != statement.interface.classes:
        raise MismatchError(
            f"expected an alphabet of all {statement.interface.classes} classes, got {statement.alphabet}"
        )
    return Reading("pictures", each, ())


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
    if reading(statement).form != "pictures":
        raise MismatchError(f"expected a scheme that is read by asking, got {statement.scheme}")
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
