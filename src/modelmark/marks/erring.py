"""What an API does for ``dawn``: log a keyed share of its queries, and answer them wrongly once their commitment was dated.

::

    api = Erring(log, feed, secret, marks)     # marks of periods that were committed, deposited and drawn
    served = api.answer(inputs, labels)        # the drawn label of a query that is committed, else the network's own

A period ends when its log becomes a key: ``keygen_of_records(Dawn(), api.records())``, or ``api.save(FILE)`` and ``keygen dawn
--records FILE``. Nobody knows a label before the commitment of its query was dated, the owner no more than others: who did
could log those queries alone on which some suspect errs likewise. ``at_once`` does as the paper does, which proves nothing.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.records import Records
from modelmark.key.secret import Secret
from modelmark.marks.logged import Logged
from modelmark.marks.marks import Mark
from modelmark.schemes.dawn import Dawn, hashed, is_chosen, wrong_codes

RATE = 0.005
"""Of the queries; the paper's is of this size."""


class Erring(Logged):
    """Answers that an API serves, and the log of queries that wait for their labels.

    One process writes a log; see ``Logged``.

    Args:
        log: of this period, or of one client in it; made if it is not there.
        feed: how the network is fed.
        secret: says which queries are chosen; with ``at_once`` it is the key's as well.
        marks: of earlier periods, the first of which that has a query decides.
        rate: share of all queries that is chosen.
        at_once: err the first time already, by a keyed hash: the paper's form, ``Dawn(message="secret")``.

    Raises:
        UsageError: a mark of another scheme or feed, a rate out of range, or another process is writing the log.
        MalformedError: the log is none, or a line of it was changed.
    """

    def __init__(
        self,
        log: Path,
        feed: Feed,
        secret: Secret,
        marks: Sequence[Mark] = (),
        *,
        rate: float = RATE,
        at_once: bool = False,
    ) -> None:
        if not 0 < rate <= 1:
            raise UsageError(f"expected a rate above 0 and up to 1, got {rate:g}")
        self._feed, self._secret, self._rate, self._at_once = feed, secret, rate, at_once
        self._drawn: dict[bytes, int] = {}
        for mark in reversed(marks):
            if not isinstance(mark.key.scheme, Dawn) or mark.key.feed.input_shape != feed.input_shape:
                raise UsageError(f"expected marks of dawn over the same inputs, got one of {mark.key.scheme.name}")
            served = mark.records()
            self._drawn.update(zip(feed.leaves(served.inputs), served.given.tolist(), strict=True))
        self._waiting: dict[bytes, int] = {}
        super().__init__(log, "mistakes", ("input", "label"))

    def answer(self, inputs: Array, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the labels to serve, ``(N,)``; queries that are chosen are logged.

        Args:
            inputs: as the feed stores them, ``(N, *input_shape)``.
            labels: what the network answers, ``(N,)``.

        Raises:
            MismatchError: inputs of another shape or type, or other labels.
        """
        try:
            self._feed.check(inputs, "queries")
        except ValueError as error:
            raise MismatchError(str(error)) from None
        given = np.asarray(labels)
        if given.shape != (len(inputs),) or ((given < 0) | (given >= self._feed.classes)).any():
            raise MismatchError(f"expected a label below {self._feed.classes} for each query, got others")
        leaves = self._feed.leaves(inputs)
        return np.array([self._one(leaf, int(label)) for leaf, label in zip(leaves, given, strict=True)], np.int64)

    def _one(self, leaf: bytes, label: int) -> int:
        if (drawn := self._drawn.get(leaf)) is not None:
            return drawn
        if not is_chosen(self._secret, leaf, self._rate):
            return label
        with self._lock:
            if leaf not in self._waiting:
                self._add({"input": base64.b64encode(leaf).decode(), "label": label})
                self._waiting[leaf] = label
        if not self._at_once:
            return label
        code = wrong_codes(np.array([self._waiting[leaf]]), self._feed.classes)[0]
        return int((code == hashed(self._secret, leaf, self._feed.classes - 1)).argmax())

    def _take(self, fields: dict[str, Any], where: str) -> None:
        label = fields["label"]
        if not isinstance(label, int) or not 0 <= label < self._feed.classes:
            raise MalformedError(f"expected a label below {self._feed.classes} in {where}, got {label!r}")
        try:
            leaf = base64.b64decode(str(fields["input"]), validate=True)
        except ValueError:
            raise MalformedError(f"expected a query in base64 in {where}, got something else") from None
        self._feed.parse([leaf])
        self._waiting[leaf] = label

    @property
    def waiting(self) -> int:
        """How many queries the log has."""
        return len(self._waiting)

    def records(self) -> Records:
        """Return the queries of the log with what the network answered, of which ``keygen_of_records`` makes a key."""
        inputs = self._feed.parse(list(self._waiting))
        return Records(self._feed, inputs, np.array(list(self._waiting.values()), np.int64))

    def save(self, path: Path) -> None:
        """Write the same for ``keygen dawn --records``: an ``.npz`` with what the feed is.

        Raises:
            OutputExistsError: the file exists.
        """
        found, stream = self.records(), io.BytesIO()
        arrays: dict[str, Any] = {"inputs": found.inputs, "labels": found.given, "size": self._feed.classes}
        if isinstance(self._feed, PictureFeed):
            arrays |= {"mean": self._feed.mean, "std": self._feed.std}
        np.savez(stream, **arrays)
        files.write_new(path, stream.getvalue(), mode=0o600)
