"""What a part shows, section by section; every number with the row it comes from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelmark.audit.result import FIELD_LOSS
from modelmark.report.cells import Cell, established, judged
from modelmark.report.labels import clean
from modelmark.report.parts import Attack, Part
from modelmark.report.rows import Row


@dataclass(frozen=True)
class Verdict:
    """What one attack removed.

    Args:
        attack: the attack.
        judged: cells in which it could have removed a mark.
        fell: those in which it did, for at most 5 points, the fewest bits left first.
        costly: those in which it did, but only for more.
        least: where it removed nothing, the affordable cell that kept the fewest bits; None without one.
    """

    attack: Attack
    judged: tuple[Cell, ...]
    fell: tuple[Cell, ...]
    costly: tuple[Cell, ...]
    least: Cell | None


@dataclass(frozen=True)
class Difference:
    """Rows of one cell for which the field's rule and ours disagree about success.

    Args:
        scheme: the scheme.
        attack: name.
        rows: those rows.
        ours: whether we say that the attack succeeded; the field says the opposite.
    """

    scheme: str
    attack: str
    rows: tuple[Row, ...]
    ours: bool


@dataclass(frozen=True)
class Price:
    """What one attack costs, as a share of training the unmarked network.

    Args:
        attack: the attack.
        lowest: cheapest row.
        middle: median row.
        highest: dearest row.
        success: cheapest row in which it removed a mark for at most 5 points; None without one.
    """

    attack: Attack
    lowest: Row
    middle: Row
    highest: Row
    success: Row | None


@dataclass(frozen=True)
class Claimed:
    """A forged claim.

    Args:
        scheme: the scheme.
        row: its row.
        naive: share of the forger's own message that the model answers; None if unknown.
        tries: candidates the forger tried; None if unknown.
    """

    scheme: str
    row: Row
    naive: float | None
    tries: float | None

    @property
    def established(self) -> bool:
        """Whether our verifier accepts it."""
        return established(self.row.result.after)


@dataclass(frozen=True)
class Seen:
    """What a detector says of a marked network and of the unmarked one.

    Args:
        scheme: the scheme.
        row: its row.
        marked: score and verdict on the marked network.
        host: score and verdict on the unmarked one.
        where: what looks most marked.
    """

    scheme: str
    row: Row
    marked: tuple[float | None, bool]
    host: tuple[float | None, bool]
    where: str


@dataclass(frozen=True)
class Pirated:
    """Two marks in one network.

    Args:
        scheme: the scheme.
        row: its row.
        thief: net bits of the thief's mark.
        established: whether it is established.
    """

    scheme: str
    row: Row
    thief: float | None
    established: bool


@dataclass(frozen=True)
class Unmeasured:
    """Rows without a measurement that share a scheme and a reason.

    Args:
        scheme: the scheme.
        status: ``refused`` or ``failed``.
        reason: as the rows say.
        attacks: their attacks.
        rows: the rows.
    """

    scheme: str
    status: str
    reason: str
    attacks: tuple[str, ...]
    rows: tuple[Row, ...]


def verdicts(part: Part) -> list[Verdict]:
    """Return what every attack meant to remove marks removed; attacks that were never judged are left out."""
    found = []
    for attack in part.attacks:
        cells = tuple(cell for cell in part.against(attack) if cell.shown)
        if not (attack.removes and cells):
            continue
        fell = sorted((cell for cell in cells if cell.state == "removed"), key=_left)
        costly = tuple(cell for cell in cells if cell.state == "costly" and cell.shown and cell.shown.removed)
        holding = [cell for cell in cells if cell.state == "holds"]
        found.append(Verdict(attack, cells, tuple(fell), costly, min(holding, key=_left, default=None)))
    return found


def _left(cell: Cell) -> float:
    return cell.shown.net if cell.shown else math.inf


def differences(part: Part) -> list[Difference]:
    """Return the cells in which the field's rule, accuracy and p = 0.05, gives another answer than ours, in some row."""
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for scheme, row in part.rows:
        if judged(row) and row.result.field_removed is not None:
            ours = bool(row.result.succeeded)
            if ours != field_succeeded(row):
                groups.setdefault((scheme, clean(row.result.attack, 60), ours), []).append(row)
    return [
        Difference(scheme, attack, tuple(rows), ours)
        for (scheme, attack, ours), rows in sorted(groups.items(), key=lambda item: item[0])
    ]


def field_succeeded(row: Row) -> bool:
    """Whether the field's rule counts a judged row as a success."""
    lost = row.result.lost
    return bool(row.result.field_removed) and lost is not None and lost <= FIELD_LOSS


def prices(part: Part) -> list[Price]:
    """Return what attacks cost, the cheapest first."""
    groups: dict[str, list[Row]] = {}
    for _, row in part.rows:
        if row.result.status == "done" and share(row) is not None:
            groups.setdefault(clean(row.result.attack, 60), []).append(row)
    found = []
    for attack in part.attacks:
        rows = sorted(groups.get(attack.name, ()), key=lambda row: share(row) or 0.0)
        if rows:
            success = next((row for row in rows if row.result.succeeded), None)
            found.append(Price(attack, rows[0], rows[(len(rows) - 1) // 2], rows[-1], success))
    return sorted(found, key=lambda one: share(one.middle) or 0.0)


def share(row: Row) -> float | None:
    """Return the cost of a row as a share of training, if it is a number from 0 on."""
    value = row.result.share_of_training
    return value if value is not None and 0 <= value < math.inf else None


def forgeries(part: Part) -> list[Claimed]:
    """Return forged claims."""
    return [
        Claimed(scheme, row, number(row.result.forged.get("naive")), number(row.result.forged.get("tries")))
        for scheme, row in _by_attack(part)
        if row.result.forged is not None
    ]


def detections(part: Part) -> list[Seen]:
    """Return what detectors saw."""
    found = []
    for scheme, row in _by_attack(part):
        if row.result.finding is not None:
            marked, host = _mapping(row.result.finding.get("marked")), _mapping(row.result.finding.get("host"))
            where = clean(marked.get("where", ""), 60)
            found.append(Seen(scheme, row, _score(marked), _score(host), where))
    return found


def pirates(part: Part) -> list[Pirated]:
    """Return rows in which a thief put a mark of his own into the network."""
    found = []
    for scheme, row in _by_attack(part):
        theirs = _mapping(row.result.thief.get("evidence"))
        if theirs:
            found.append(Pirated(scheme, row, number(theirs.get("net_bits")), theirs.get("verdict") == "established"))
    return found


def unmeasured(part: Part) -> list[Unmeasured]:
    """Return what was refused or failed, with its reasons: failures first."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for scheme, row in (*part.independents, *part.rows):
        if row.result.status != "done":
            groups.setdefault((row.result.status, scheme, clean(row.result.reason) or "no reason given"), []).append(
                row
            )
    return [
        Unmeasured(
            scheme, status, reason, tuple(dict.fromkeys(clean(row.result.attack, 60) for row in rows)), tuple(rows)
        )
        for (status, scheme, reason), rows in sorted(groups.items(), key=lambda item: item[0])
    ]


def number(value: Any) -> float | None:
    """Return a value if it is a finite number."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if is_one else None


def _by_attack(part: Part) -> list[tuple[str, Row]]:
    order = {attack.name: place for place, attack in enumerate(part.attacks)}
    return sorted(part.rows, key=lambda item: (order[clean(item[1].result.attack, 60)], item[0]))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _score(found: Mapping[str, Any]) -> tuple[float | None, bool]:
    return number(found.get("score")), found.get("marked") is True
