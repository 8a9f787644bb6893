"""Whose copies a suspect was made of: one reading, every recipient tested, all of them charged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmark.copies.reading import ITSELF, Traced
from modelmark.copies.tallying import LOOKS, Packed, tally
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR, Charge, charge_tries, shown
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Reading, Unread
from modelmark.naming import counted
from modelmark.suspects.base import Suspect
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Suspicion:
    """What a suspect shows of one message.

    Args:
        recipient: whose; empty for the key's own.
        gross_bits: ``-log2`` of the chance of a sum as large for somebody innocent, or less than that.
        net_bits: less all charges, at least 0.
        named: whether the net bits reach the bar.
    """

    recipient: str
    gross_bits: float
    net_bits: float
    named: bool


@dataclass(frozen=True)
class Trace:
    """What a suspect shows of all messages of a key, the clearest first.

    For whoever has no part in the suspect the own message is a fair coin a bit, whatever the suspect was made of. The charges pay
    for all who were tested and for all looks together, so that with chance ``2**-bar`` at most anybody innocent is named.

    Args:
        rows: one for each recipient, and one for the key's own message.
        charges: the same for every row. That for the draw is not among them: it pays for what an owner may try who makes the key.
        bar: net bits from which a recipient is named.
        root: of the key's carriers, hex.
        self_check: made with a key that is never evidence; nobody is named.
    """

    rows: tuple[Suspicion, ...]
    charges: tuple[Charge, ...]
    bar: float
    root: str
    self_check: bool = False

    @property
    def named(self) -> list[str]:
        """Recipients who are named."""
        return [row.recipient for row in self.rows if row.named and row.recipient]

    def __str__(self) -> str:
        return told([self])

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which every number can be recomputed."""
        return {
            "type": "modelmark.trace",
            "v": 1,
            "root": self.root,
            "bar": self.bar,
            "charges": [{"reason": charge.reason, "bits": charge.bits} for charge in self.charges],
            "self_check": self.self_check,
            "named": self.named,
            "rows": [vars(row) for row in self.rows],
        }


def trace(
    mark: Mark,
    suspect: Suspect,
    recipients: Sequence[str],
    *,
    align_to: "nn.Module | State | None" = None,
    bar: float = BAR,
    suspects: int = 1,
    others: int = 0,
) -> Trace:
    """Read a suspect once and say whose copies it was made of.

    Args:
        mark: of a ``spread`` key, drawn as when the copies were written.
        suspect: that is read.
        recipients: names of all who have a copy, named before the suspect is read; each once.
        align_to: the unmarked host whose digest the key committed to; see ``Mark.readings``.
        bar: net bits from which somebody is named.
        suspects: how many suspects were tried; charged.
        others: messages that are tested with other keys in the same trace, each key's own among them; charged.

    Raises:
        UsageError: a key of another scheme, or a name twice.
        MismatchError: suspect and key do not belong together.
        SuspectError: what the suspect answers is no answer.
    """
    readings = Traced.of(mark).readings(suspect, align_to=align_to)
    return weigh(mark, readings, recipients, bar=bar, suspects=suspects, others=others)


def weigh(
    mark: Mark,
    readings: Sequence[Reading | Unread],
    recipients: Sequence[str],
    *,
    bar: float = BAR,
    suspects: int = 1,
    others: int = 0,
) -> Trace:
    """Return what readings by ``Traced`` say of every recipient; see ``trace``."""
    if len(set(recipients)) < len(recipients):
        raise UsageError("expected each recipient once, got one twice")
    tables = [table.table for reading in readings if isinstance(reading, Reading) for table in reading.scores]
    tried = len(tables) + sum(isinstance(reading, Unread) for reading in readings)
    charges = charged(len(recipients) + 1 + others, tried, suspects)
    paid = sum(charge.bits for charge in charges)
    sums = [(table[:, 1] - table[:, 0]).astype(np.float64) for table in tables]
    found = tally(sums, messages(mark, recipients), needed=paid + bar)
    rows = [
        Suspicion(name, gross, max(gross - paid, 0.0), named and not mark.key.self_check)
        for name, gross, named in zip(("", *recipients), found.bits.tolist(), found.named.tolist(), strict=True)
    ]
    rows.sort(key=lambda row: (not row.named, -row.gross_bits, row.recipient))
    return Trace(tuple(rows), charges, bar, str(mark.key.statement["root"]), mark.key.self_check)


def charged(tested: int, tables: int, suspects: int = 1) -> tuple[Charge, ...]:
    """Return what is charged: messages that are tested, looks at all tables, suspects."""
    return (
        *charge_tries("messages tested", tested),
        Charge(f"{tables * LOOKS} looks: {LOOKS} at each of {tables} readings", math.log2(tables * LOOKS)),
        *charge_tries("suspects tried", suspects),
    )


def messages(mark: Mark, recipients: Sequence[str]) -> Packed:
    """Return the key's own message and the recipients', packed, ``(1 + n, T / 8)`` rounded up."""
    own = np.packbits(mark.message.astype(np.uint8), bitorder="little")
    return np.stack([own, *(mark.draw.of(name).packed(len(mark.message)) for name in recipients)])


def told(traces: Sequence[Trace]) -> str:
    """Return in one line what the traces of one suspect by several keys say together."""
    tested, named = sum(len(one.rows) - 1 for one in traces), sum(len(one.named) for one in traces)
    keys, bar = f" of {len(traces)} keys" if len(traces) > 1 else "", traces[0].bar
    line = f"{named} of {counted(tested, 'recipient')}{keys} named at a bar of {bar:g} bits: "
    line += f"one in 2^{bar:g} traces at most names anybody innocent"
    return line + (" (self-check key: never evidence)" if any(one.self_check for one in traces) else "")


def listed(rows: Sequence[Suspicion]) -> list[tuple[str, str, str, str]]:
    """Return the table's cells: recipient, bits, net bits, and whether the recipient is named."""
    return [(row.recipient or ITSELF, shown(row.gross_bits), shown(row.net_bits), "named" * row.named) for row in rows]
