"""Parts: what may be compared. Rows of two setups, data sets or architectures never share a table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from modelmark.audit.result import INDEPENDENT
from modelmark.report.cells import Cell, cell
from modelmark.report.labels import clean, settings
from modelmark.report.rows import Row

KINDS = {
    "modification": "Modifies the network",
    "extraction": "Trains another network on its answers",
    "collusion": "Puts several marked copies together",
    "evasion": "Filters the questions or the answers of an API",
    "forgery": "Forges a claim",
    "detection": "Looks for marks",
}
"""Kinds of attacks, in the order of the report."""
REMOVALS = ("modification", "extraction", "collusion", "evasion")


@dataclass(frozen=True)
class Attack:
    """An attack as its rows describe it.

    Args:
        name: in the table of attacks.
        kind: one of ``KINDS``, or whatever the rows say.
        family: of the attack.
    """

    name: str
    kind: str
    family: str

    @property
    def removes(self) -> bool:
        """Whether it is meant to remove marks."""
        return self.kind in REMOVALS


@dataclass(frozen=True)
class Part:
    """Everything measured on one setup.

    Args:
        data: data specification.
        arch: architecture.
        setup: digest of what else the grid fixes.
        rows: of attacks, with the name the report has for each row's scheme.
        independents: rows of unmarked networks of the same make, named likewise.
    """

    data: str
    arch: str
    setup: str
    rows: tuple[tuple[str, Row], ...]
    independents: tuple[tuple[str, Row], ...] = ()

    @cached_property
    def limits(self) -> str:
        """What the setup stands for, as its rows say: ``thief 0.3, most 0, epochs 0, owner 0, recipe whole``; may be empty."""
        found = next((row.result for _, row in (*self.rows, *self.independents) if row.result.limits), None)
        if found is None:
            return ""
        given = [f"{clean(name, 20)} {value:g}" for name, value in list(found.limits.items())[:8]]
        return ", ".join([*given, f"recipe {found.recipe}"])

    @cached_property
    def schemes(self) -> tuple[str, ...]:
        """Names of schemes, sorted; with their settings where one was tried with several."""
        return tuple(sorted({scheme for scheme, _ in (*self.rows, *self.independents)}))

    @cached_property
    def attacks(self) -> tuple[Attack, ...]:
        """Attacks by kind, family and name."""
        order = {kind: place for place, kind in enumerate(KINDS)}
        found = {Attack(*_names(row)) for _, row in self.rows}
        return tuple(sorted(found, key=lambda one: (order.get(one.kind, len(order)), one.family, one.name)))

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """Cells by scheme and attack; a pair that was not run has none."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for scheme, row in self.rows:
            groups.setdefault((scheme, clean(row.result.attack, 60)), []).append(row)
        return {place: cell(*place, group) for place, group in groups.items()}

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, sorted."""
        return tuple(sorted({row.result.seed for _, row in self.rows}))

    def against(self, attack: Attack) -> list[Cell]:
        """Return the cells of one attack, by scheme."""
        places = ((scheme, attack.name) for scheme in self.schemes)
        return [self.cells[place] for place in places if place in self.cells]


def parts(rows: Sequence[Row]) -> list[Part]:
    """Return the parts of an audit, in the order of their first rows."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.result.data, row.result.arch, row.result.setup), []).append(row)
    found = []
    for (data, arch, setup), group in groups.items():
        named = list(zip(_schemes(group), group, strict=True))
        alone = tuple((scheme, row) for scheme, row in named if row.result.kind == INDEPENDENT)
        attacked = tuple((scheme, row) for scheme, row in named if row.result.kind != INDEPENDENT)
        found.append(Part(clean(data, 80), clean(arch, 80), clean(setup, 40), attacked, alone))
    return found


def _names(row: Row) -> tuple[str, str, str]:
    return clean(row.result.attack, 60), clean(row.result.kind, 40), clean(row.result.family, 40)


def _schemes(rows: Sequence[Row]) -> list[str]:
    """Return what to call each row's scheme: its name, with settings where the same scheme was run with several."""
    variants: dict[str, set[str]] = {}
    for row in rows:
        variants.setdefault(row.result.scheme, set()).add(_given(row))
    return [
        clean(f"{row.result.scheme} ({settings(row.result.scheme_settings) or 'defaults'})", 80)
        if len(variants[row.result.scheme]) > 1
        else clean(row.result.scheme, 60)
        for row in rows
    ]


def _given(row: Row) -> str:
    return json.dumps(row.result.scheme_settings, sort_keys=True, default=str)
