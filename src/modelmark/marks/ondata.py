"""Keys of marks in data, which records make and no model; what to train on, and in which order."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.records import Records
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, KeyPolicy
from modelmark.marks.reaching import require_reach
from modelmark.schemes._in_data import InData
from modelmark.schemes.order import Order
from modelmark.suspects.base import ABSTAIN, Suspect, Weigh

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark
    from modelmark.schemes.base import Scheme


def keygen_of_records(
    scheme: InData,
    records: Records,
    *,
    reference: Suspect | None = None,
    secret: Secret | None = None,
    policy: KeyPolicy | None = None,
) -> Key:
    """Return a new key of ``twins``, ``choice`` or ``order``; no model is needed.

    Args:
        scheme: with or without its number of records.
        records: of ``order``; of the others version after version of each pair.
        reference: what is asked now, before the draw, how likely it finds each record. That is committed with it, and taken off
            what a suspect finds: it need not be trusted, and any model will do that tells hard records from easy ones.
        secret: drawn from the operating system unless given.
        policy: what evidence is to be worth; left out: as for ``keygen``.

    Raises:
        CapacityError: full evidence would stay below the bar, or there are too many records.
        UsageError: records are alike, or not as the feed has them.
        SuspectError: the reference gives no surprisals.
    """
    attachments: dict[str, Array] = {
        "records": packed(records.feed, records.inputs), "given": np.asarray(records.given, np.int64)
    }  # fmt: skip
    policy = policy or KeyPolicy()
    resolved = scheme.for_model(None, records.feed, attachments)  # type: ignore[arg-type]
    if not policy.self_check:
        require_reach(resolved, records.feed, policy.bar, policy.draw)  # type: ignore[arg-type]
    if reference is not None:
        attachments["reference"] = _weighed_by(reference, records)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Key(
        cast("Scheme", resolved),
        secret or Secret.generate(),
        records.feed,
        attachments,
        created=now,
        self_check=policy.self_check,
        draw_kind=policy.draw,
    )


def packed(feed: Feed, inputs: Array) -> Array:
    """Return inputs as a key file holds them.

    Raises:
        UsageError: a text with a zero character, which ends a text there.
    """
    if feed.kind == "texts" and any("\0" in text for text in inputs[:, 0]):
        raise UsageError("expected texts without the zero character, got one")
    return feed.packed(inputs) if feed.kind == "texts" else inputs  # type: ignore[attr-defined, no-any-return]


def _weighed_by(reference: Suspect, records: Records) -> npt.NDArray[np.int64]:
    found = np.asarray(reference.observe(Weigh(records.feed, records.inputs, records.given))[0], np.int64)
    none = np.flatnonzero(found == ABSTAIN)
    if len(none):
        raise MismatchError(
            f"expected a reference that weighs every record, {len(none)} of {len(found)} are none it can, first number {none[0]}",
            hint="too short to be weighed, or longer than its context",
        )
    return found


def records(mark: "Mark") -> Records:
    """Return what is to be trained on; see ``Mark.records``."""
    scheme = mark.key.scheme
    if not isinstance(scheme, InData):
        raise UsageError(f"expected a mark in data, got {scheme.name}", hint="embed puts it into a model")
    return scheme.records(mark.carriers, mark.message)


@dataclass
class Slots:
    """The numbers of the records of an ``order`` key, slot by slot, as a DataLoader's ``sampler`` gives them; once an epoch.

    Which record is in which slot never changes; within a slot each epoch shuffles anew, which the reading does not see.

    Args:
        slots: of each record, ``(N,)``.
        seed: of the shuffles within slots.
        epoch: that comes next.
    """

    slots: npt.NDArray[np.int64]
    seed: int = 0
    epoch: int = 0

    @classmethod
    def of(cls, mark: "Mark", *, seed: int = 0) -> "Slots":
        """Return the order that a mark's draw says.

        Raises:
            UsageError: the mark is no ``order``.
        """
        if not isinstance(mark.key.scheme, Order):
            raise UsageError(f"expected a mark of order, got {mark.key.scheme.name}")
        return cls(mark.message, seed)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, as samplers of PyTorch are told."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.slots)

    def __iter__(self) -> Iterator[int]:
        shuffled = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.slots))
        self.epoch += 1
        return iter(shuffled[np.argsort(self.slots[shuffled], kind="stable")].tolist())
