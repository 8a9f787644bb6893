"""Cells: one scheme against one attack, summed up over strengths and seeds without inventing a number.

Medians are lower medians, so that every figure is one that was measured and names the row it comes from.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelmark.audit.result import FIELD_LOSS, Reading
from modelmark.evidence.evidence import BAR
from modelmark.report.rows import Row

State = Literal["removed", "holds", "costly", "unmarked", "refused", "failed", "other"]
STATES: dict[State, str] = {
    "removed": "no longer established, for at most 5 points of accuracy, in at least one seed",
    "holds": "still established wherever the attack costs at most 5 points",
    "costly": "costs more than 5 points everywhere; shown is the cheapest strength, or the cheapest that removed the mark",
    "unmarked": "no mark was established before the attack, or nothing could be judged after it",
    "refused": "does not apply, or the mark could not be embedded",
    "failed": "an error",
    "other": "forges or detects, and removes nothing: see there",
}
"""What became of a mark, in the order of the legend."""


@dataclass(frozen=True)
class Strength:
    """One set of an attack's settings against one scheme, over seeds.

    Args:
        order: which of the attack's strengths, from 0.
        rows: judged rows, of different seeds.
        seeds: judged rows of these settings; more than ``rows`` where those that cost too much were left aside.
    """

    order: int
    rows: tuple[Row, ...]
    seeds: int

    @property
    def bits(self) -> Row:
        """The row with the median of the net bits left."""
        return _median(self.rows, net)

    @property
    def lost(self) -> Row:
        """The row with the median of the accuracy lost."""
        return _median(self.rows, loss)

    @property
    def succeeded(self) -> int:
        """Seeds in which the mark was removed for at most 5 points."""
        return sum(bool(row.result.succeeded) for row in self.rows)

    @property
    def removed(self) -> int:
        """Seeds in which it was removed at whatever price."""
        return sum(bool(row.result.removed) for row in self.rows)

    @property
    def net(self) -> float:
        """Median of the net bits left."""
        return net(self.bits)

    @property
    def loss(self) -> float:
        """Median of the accuracy lost, as a share of all answers."""
        return loss(self.lost)

    @property
    def bar(self) -> float:
        """Net bits from which the mark counts as established."""
        return bar(self.bits)

    def within(self) -> "Strength":
        """Return the same settings without the rows that cost more than 5 points."""
        return Strength(self.order, tuple(row for row in self.rows if loss(row) <= FIELD_LOSS), self.seeds)


@dataclass(frozen=True)
class Cell:
    """One scheme against one attack.

    Args:
        scheme: as the report calls it.
        attack: name.
        state: what became of the mark.
        shown: the strength whose numbers stand for the cell; None where nothing was judged.
        sweep: every judged strength, from gentle to fierce.
        rows: all rows, also those that were refused or failed.
    """

    scheme: str
    attack: str
    state: State
    shown: Strength | None
    sweep: tuple[Strength, ...]
    rows: tuple[Row, ...]


def judged(row: Row) -> bool:
    """Whether a row says if a mark was removed, and at what price."""
    result = row.result
    return result.status == "done" and None not in (result.removed, result.lost, result.net_bits)


def established(reading: Reading | None) -> bool:
    """Whether a mark was read and counts as established."""
    return reading is not None and reading["verdict"] == "established"


def net(row: Row) -> float:
    """Net bits left in a judged row."""
    return float(row.result.net_bits or 0.0)


def gross(row: Row) -> float | None:
    """Gross bits after the attack, if any were read."""
    return row.result.after.get("gross_bits") if row.result.after else None


def loss(row: Row) -> float:
    """Accuracy lost in a judged row, as a share of all answers."""
    return float(row.result.lost or 0.0)


def bar(row: Row) -> float:
    """Net bits from which the mark of a judged row counts as established."""
    return float(row.result.after.get("bar", BAR)) if row.result.after else BAR


def cell(scheme: str, attack: str, rows: Sequence[Row]) -> Cell:
    """Return the summary of all rows of one scheme and one attack.

    Rows that cost more than 5 points are left aside where there are others. Shown is the strength that then succeeds in the
    largest share of its seeds; among equals the one that leaves fewest bits.
    """
    sweep = tuple(_strengths(row for row in rows if judged(row)))
    within = [one for one in (strength.within() for strength in sweep) if one.rows]
    if within:
        best = min(within, key=lambda one: (-one.succeeded / one.seeds, one.net, one.loss))
        return Cell(scheme, attack, "removed" if best.succeeded else "holds", best, sweep, tuple(rows))
    if sweep:
        best = min(sweep, key=lambda one: (not one.removed, one.loss))
        return Cell(scheme, attack, "costly", best, sweep, tuple(rows))
    return Cell(scheme, attack, _unjudged(rows), None, (), tuple(rows))


def _unjudged(rows: Sequence[Row]) -> State:
    if rows[0].result.kind in ("forgery", "detection"):
        done = [row for row in rows if row.result.status == "done"]
        return "other" if done else ("failed" if rows[-1].result.status == "failed" else "refused")
    if any(row.result.status == "done" for row in rows):
        return "unmarked"
    return "failed" if any(row.result.status == "failed" for row in rows) else "refused"


def _strengths(rows: Iterable[Row]) -> list[Strength]:
    """Return judged rows by settings, in order of strength; settings tell strengths of different grids apart."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.result.strength, _key(row.result.settings)), []).append(row)
    return [
        Strength(order, tuple(group), len(group))
        for (order, _), group in sorted(groups.items(), key=lambda item: item[0])
    ]


def _key(settings: Any) -> str:
    return repr(sorted(settings.items(), key=lambda item: str(item[0])))


def _median(rows: Sequence[Row], value: Any) -> Row:
    return sorted(rows, key=value)[(len(rows) - 1) // 2]
