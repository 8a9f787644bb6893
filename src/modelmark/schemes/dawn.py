"""Szyller et al. 2021: an API errs on a keyed share of its queries, and a student that was trained on its answers errs likewise.

Source: Szyller, Atli, Marchal, Asokan, "DAWN: dynamic adversarial watermarking of neural networks", ACM Multimedia 2021,
arXiv 1906.00830.

No network is changed. Queries are logged (``marks.erring``), committed period by period, and the wrong label of each is drawn
after their commitment was dated; from then on it is served.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.coded import Coded, Codes, coded, require_numbers
from modelmark.carriers.pictures import label_leaves
from modelmark.errors import UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.records import Records
from modelmark.key.secret import Secret
from modelmark.schemes._in_data import InData, attached, counted
from modelmark.schemes.base import Attachments, Material
from modelmark.suspects.base import ABSTAIN

if TYPE_CHECKING:
    from torch import nn

_SHARES = 2**32


@dataclass(frozen=True)
class Dawn(InData):
    """Queries of an API, a drawn wrong label for each that is served from then on (black-box).

    Departs: with ``message="drawn"`` labels are drawn after the queries of a period are committed, so that the first answer to
    each is right. In the paper a keyed hash of the query decides at once; who holds that key can log those queries alone to which
    the model that he means to accuse gives the wrong label anyway.
    Departs: a label is drawn among all classes but the answered one; the paper permutes what the model says of all of them.

    Args:
        triggers: how many queries; left out: as many as are attached.
        message: ``drawn``, or ``secret`` (literal: a keyed hash of the query says its label).
    """

    name: ClassVar[str] = "dawn"
    summary: ClassVar[str] = "queries of an API that are answered wrongly, a drawn label for each (Szyller et al. 2021)"
    reads: ClassVar[type[Carriers]] = Coded
    reading: ClassVar[str] = (
        "largest output, ties to the lowest class; its symbol in the picture's code, none where it has none"
    )
    counted: ClassVar[str] = "triggers"
    _way: ClassVar[str] = "serve what marks.erring.Erring answers, or train on mark.records()"

    triggers: int | None = None
    message: Literal["drawn", "secret"] = "drawn"

    def __post_init__(self) -> None:
        if self.triggers is not None and not 1 <= self.triggers <= 16384:
            raise ValueError(f"expected 1 to 16384 queries, got {self.triggers}")

    def for_model(self, model: "nn.Module | None", feed: Feed, attachments: Attachments) -> "Dawn":
        """Fill in the number of queries and check what is attached."""
        if feed.kind in ("causal", "texts", "tokens"):
            raise UsageError(
                f"expected queries that are pictures or numbers, got {feed.kind}", hint="choice marks texts"
            )
        if feed.classes < 3:
            raise UsageError(f"expected at least three classes, of which one is right, got {feed.classes}")
        inputs, _, _ = attached(feed, attachments, 1)
        return replace(self, triggers=counted(self.triggers, len(inputs), "queries"))

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        from modelmark.schemes import blackbox

        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per query, its alphabet all classes but the right one."""
        if self.triggers is None:
            raise ValueError("expected a resolved scheme, got one whose number of queries is left open")
        return self.triggers, feed.classes - 1

    def objection(self) -> str:
        """Return why the literal form has no exact test."""
        return (
            ""
            if self.message == "drawn"
            else "labels come from a key that was there before the queries, which could have been chosen by it"
        )

    def carriers(self, material: Material) -> Coded:
        """Return the queries with their codes: the wrong labels of each, in order; labels that were not drawn follow."""
        feed = material.feed
        count, values = self.size(feed)
        inputs, right, _ = (part[:count] for part in attached(feed, material.attachments, 1))
        chosen = self.literal_message(material)
        leaves = () if chosen is None else label_leaves(chosen)
        return coded(feed, inputs, wrong_codes(right, feed.classes), values, leaves)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return what a keyed hash says of each query, or None where the draw decides."""
        if self.message == "drawn":
            return None
        count, values = self.size(material.feed)
        inputs, _, _ = attached(material.feed, material.attachments, 1)
        return np.array(
            [hashed(material.secret, one, values) for one in material.feed.leaves(inputs[:count])], np.int64
        )

    def records(self, carriers: Coded, message: npt.NDArray[np.int64]) -> Records:
        """Return the queries with the labels that are served."""
        return Records(carriers.feed, carriers.pictures, (carriers.codes == message[:, None]).argmax(axis=1))


def wrong_codes(right: npt.NDArray[np.int64], classes: int) -> Codes:
    """Return codes in which every class but the right one is a symbol, in order, ``(N, classes)``."""
    require_numbers(len(right), classes)
    every = np.arange(classes)
    return np.where(every == right[:, None], ABSTAIN, every - (every > right[:, None]))


def is_chosen(secret: Secret, leaf: bytes, rate: float) -> bool:
    """Return whether a query, by its bytes, is among the share that is to be answered wrongly."""
    return int(secret.integers(f"dawn/chosen/{_name(leaf)}", _SHARES, 1)[0]) < rate * _SHARES


def hashed(secret: Secret, leaf: bytes, values: int) -> int:
    """Return the symbol of a query in the literal form, below ``values``."""
    return int(secret.integers(f"dawn/label/{_name(leaf)}", values, 1)[0])


def _name(leaf: bytes) -> str:
    return hashlib.sha256(leaf).hexdigest()
