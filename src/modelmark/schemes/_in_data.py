"""What schemes share whose mark is in the data: nothing happens in the loop, and no model is needed to make a key."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers import weighed
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.schemes.base import Drawn
from modelmark.suspects.base import MOST_SURPRISAL

if TYPE_CHECKING:
    from torch import nn

    from modelmark.feeds.records import Records
    from modelmark.training.hooks import Hooks

MOST_RECORDS = 2**19
"""However short they are: each is committed by itself, and travels in the key."""
MOST_BYTES = 2**30


class InData(Drawn):
    """A mark that is in the data: a model learns it from the records that the draw picks, in any loop."""

    name: ClassVar[str]
    margin: ClassVar[float] = 0.0  # type: ignore[misc]

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError where a network of this kind cannot be asked how likely records are."""
        if feed.kind == "texts":
            raise MismatchError("expected a function that weighs texts, got a network", hint="likelihoods.of_texts")

    def hooks(self, carriers: Any, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Refuse: there is nothing to do in a loop."""
        raise UsageError(
            f"expected a mark that training embeds, a mark of {self.name} is in the data",
            hint=self._way,
        )

    def records(self, carriers: Any, message: npt.NDArray[np.int64]) -> "Records":
        """Return what is to be trained on."""
        raise NotImplementedError

    _way: ClassVar[str] = "train on what modelmark records writes, or on mark.records()"


def attached(feed: Feed, attachments: Mapping[str, Array], versions: int) -> tuple[Array, Array, Array]:
    """Return the records that a key holds, what is told of each, and what each surprises the reference by.

    Args:
        feed: of the key.
        attachments: ``records`` ``(N, *input_shape)``, ``given`` ``(N,)``, and perhaps ``reference`` ``(N,)``.
        versions: of each record, one after the other.

    Raises:
        UsageError: they are not of this feed, two of them are the same, or there is nothing to weigh in one.
        CapacityError: there are too many.
    """
    if "records" not in attachments:
        raise UsageError("expected records, got none", hint="keygen --records FILE")
    inputs = feed.unpacked(attachments["records"])
    given = attachments.get("given", np.zeros(len(inputs), np.int64))
    reference = attachments.get("reference", np.zeros(len(inputs), np.int64))
    try:
        feed.check(inputs, "records")
    except ValueError as error:
        raise UsageError(str(error)) from None
    count = len(inputs) // versions
    if not count or len(inputs) != versions * count or not given.shape == reference.shape == (len(inputs),):
        raise UsageError(
            f"expected {versions} versions of each record, and a number for each, got {len(inputs)} records"
        )
    if count > MOST_RECORDS or inputs.nbytes > MOST_BYTES:
        raise CapacityError(f"expected at most {MOST_RECORDS} records and {MOST_BYTES} bytes of them, got {count}")
    if fault := weighed.fault_of(feed, inputs, given):
        raise UsageError(f"expected records {fault}, got others")
    if reference.min() < 0 or reference.max() > MOST_SURPRISAL:
        raise UsageError(f"expected surprisals of 0 to {MOST_SURPRISAL} from the reference, got others")
    _require_different(feed, inputs, given)
    return inputs, given.astype(np.int64), reference.astype(np.int64)


def counted(wanted: int | None, there: int, what: str) -> int:
    """Return how many records a key has: what was asked for, or all; they are the first.

    Raises:
        CapacityError: more are asked for than there are.
    """
    if wanted is not None and wanted > there:
        raise CapacityError(f"expected at most the {there} {what} that are there, got {wanted}")
    return wanted or there


def _require_different(feed: Feed, inputs: Array, given: Array) -> None:
    """Raise UsageError where two records are the same: a suspect would answer for both, and two coins would be one."""
    first: dict[bytes, int] = {}
    for number, told in enumerate(given.tolist()):
        one = weighed.record(feed, inputs[number : number + 1], told)
        if (other := first.setdefault(one, number)) != number:
            raise UsageError(
                f"expected records, and versions of them, that all differ, got {other} and {number} alike",
                hint="one coin for each record: drop what is repeated",
            )
