"""From what a suspect answers, scores, numbers or names, to the key's labels. Loads without torch.

A suspect has an order of classes of its own. Without its names it is taken to be the key's; with them each output goes to the
class of its name. Which it is must not depend on what the carriers were answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.naming import suggest
from modelmark.suspects.base import ABSTAIN

Means: TypeAlias = Literal["", "scores", "labels", "probability", "logit"]
"""What an output is: a score a class, the label itself, or one number for the second of two classes; empty: as its type says."""
Labels: TypeAlias = npt.NDArray[np.int64]

LABELS = "--labels FILE names the suspect's classes, one a line, in its order"
_MOST = 2**20


@dataclass(frozen=True)
class Order:
    """Which of the key's classes each output of a suspect is.

    Args:
        names: of the key's classes, in its order.
        outputs: for each output of the suspect the number of its class, ``ABSTAIN`` for one that the key does not know.
    """

    names: tuple[str, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, names: Sequence[str], own: Sequence[str] = ()) -> "Order":
        """Return the order in which a suspect has the classes.

        Args:
            names: of the key's classes.
            own: names of the suspect's outputs, in its order, which may be more than the key's; empty: the key's order.

        Raises:
            MismatchError: one of the key's classes is not among them, or is twice.
        """
        known = {name: number for number, name in enumerate(names)}
        for name in names if own else ():
            if (count := list(own).count(name)) != 1:
                raise MismatchError(
                    f"expected each of the key's {len(names)} classes once in the labels, got {name!r} {count} times",
                    hint="modelmark inspect KEY --labels shows the key's names" if count else suggest(name, own),
                )
        return cls(tuple(names), tuple(known.get(name, ABSTAIN) for name in own or names))

    @cached_property
    def _column(self) -> Labels:
        """Of each of the key's classes, the output that scores it; then all others."""
        placed = {number: output for output, number in enumerate(self.outputs) if number != ABSTAIN}
        others = [output for output, number in enumerate(self.outputs) if number == ABSTAIN]
        return np.array([*(placed[number] for number in range(len(self.names))), *others])

    def of_scores(self, scores: npt.NDArray[Any]) -> Labels:
        """Return the class of the largest of scores ``(N, outputs)``, ties to the lowest class; ``ABSTAIN`` where one is NaN.

        Raises:
            SuspectError: another number of outputs.
        """
        flat = scores.reshape(len(scores), -1) if len(scores) else scores.reshape(0, len(self.outputs))
        if flat.shape[1] != len(self.outputs):
            raise SuspectError(
                f"expected scores of {len(self.outputs)} classes from the suspect, got {flat.shape[1]}", hint=LABELS
            )
        ordered = flat[:, self._column]
        best = ordered.argmax(axis=1)
        right = (best < len(self.names)) & np.isfinite(ordered.max(axis=1))
        return np.where(right, best, ABSTAIN).astype(np.int64)

    def of_numbers(self, numbers: npt.NDArray[Any]) -> Labels:
        """Return the classes of outputs that are named by number; ``ABSTAIN`` stays.

        Raises:
            SuspectError: a number that no output has.
        """
        if len(numbers) and not (numbers.min() >= ABSTAIN and numbers.max() < len(self.outputs)):
            raise SuspectError(
                f"expected labels 0 to {len(self.outputs) - 1} (or {ABSTAIN}) from the suspect, "
                f"got {numbers.min()} to {numbers.max()}"
            )
        return np.array([*self.outputs, ABSTAIN], np.int64)[numbers.astype(np.int64)]

    def of_names(self, names: Sequence[str]) -> Labels:
        """Return the classes of these names.

        Raises:
            SuspectError: a name that is none of the key's.
        """
        known = {name: number for number, name in enumerate(self.names)}
        for name in names:
            if name not in known:
                raise SuspectError(
                    f"expected one of the key's {len(known)} classes from the suspect, got {name!r}"[:300],
                    hint=suggest(name, known) or "modelmark inspect KEY --labels shows the key's names",
                )
        return np.array([known[name] for name in names], np.int64)

    def of_second(self, values: npt.NDArray[Any], threshold: float) -> Labels:
        """Return the output of each number: the second of two if it is above the threshold; ``ABSTAIN`` for NaN."""
        if len(self.outputs) != 2 or values.size != len(values):
            raise SuspectError(
                f"expected one number for one of two classes, got {values.shape[1:]} for {len(self.outputs)}"
            )
        flat = values.reshape(-1).astype(np.float64)
        return self.of_numbers(np.where(np.isnan(flat), ABSTAIN, flat > threshold))


def labels(found: Any, count: int, order: Order, means: Means = "") -> Labels:
    """Return the labels that ``count`` answers are, int64 ``(count,)``.

    Args:
        found: an array of scores ``(count, classes)``, of numbers ``(count,)``, or of names; or a mapping from class to score for
            each input, as scikit-learn's exporter makes them.
        count: of the inputs.
        order: of the suspect's classes.
        means: what the numbers are, where their type does not say.

    Raises:
        SuspectError: another number of answers, or what is no label of the key.
    """
    if isinstance(found, list) and found and all(isinstance(one, Mapping) for one in found):
        found = [max(one, key=one.__getitem__, default=ABSTAIN) for one in found]
    try:
        array = np.asarray(found)
    except ValueError:
        raise SuspectError(f"expected {count} answers of one shape from the suspect, got others") from None
    if not array.ndim or len(array) != count:
        raise SuspectError(f"expected {count} answers from the suspect, got {_counted(array)}")
    if array.dtype.kind in "OUS":
        named = array.reshape(count, -1)[:, 0] if array.size == count else array
        if not all(isinstance(name, str | bytes) for name in named):
            raise SuspectError(f"expected scores, numbers or names from the suspect, got {array.dtype} {array.shape}")
        return order.of_names(
            [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in named]
        )
    if array.dtype.kind not in "iuf":
        raise SuspectError(f"expected scores, numbers or names from the suspect, got {array.dtype}")
    if means in ("probability", "logit"):
        return order.of_second(array, 0.5 if means == "probability" else 0.0)
    single = array.size == count
    if means == "labels" or (not means and single and array.dtype.kind in "iu"):
        if not (single and np.array_equal(array, np.rint(array))):
            raise SuspectError(f"expected a number for each input, got {array.dtype} {array.shape}")
        return order.of_numbers(array.reshape(-1))
    return order.of_scores(array)


def read_names(path: Path) -> list[str]:
    """Return the names in a file, one a line.

    Raises:
        MalformedError: no text, no names, or an empty line among them.
    """
    try:
        text = files.read(path, limit=_MOST, what="a file of class names").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedError(f"expected class names in UTF-8 in {path}, got other bytes") from None
    names = text.rstrip().splitlines()
    if not names or not all(name.strip() for name in names):
        raise MalformedError(f"expected a class name on every line of {path}, got an empty one")
    return [name.strip() for name in names]


def _counted(array: npt.NDArray[Any]) -> str:
    return str(len(array)) if array.ndim else ("one number" if isinstance(array.item(), Integral | float) else "none")
