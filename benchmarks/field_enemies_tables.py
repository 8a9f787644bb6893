"""Tables of docs/schemes/field-enemies.md, from the rows of ``field_enemies.py``."""

from _field_enemies import ENEMIES, OWN_START
from _rows import Row, each, markdown, rows
from field_tables import BAR, best, dated

TOLD = {"none": "nothing: the marked network", OWN_START: "a student that begins where the host began"}
"""Chains that are none."""


def found() -> list[Row]:
    return rows("field-enemies")


def points(row: Row) -> float:
    """Return the points of accuracy that a row has less than the marked network."""
    (own,) = [other for other in found() if other["steps"] == "none" and _same(row, other)]
    return 100 * (own["accuracy"] - row["accuracy"])


def _same(row: Row, other: Row) -> bool:
    return all(row[name] == other[name] for name in ("size", "seed", "draw"))


def enemies(weights: bool) -> str:
    """Return one line an enemy: who has the weights, or who has answers alone; what was measured first stands first."""
    body = []
    for row in found():
        if (row["asked"] > 0) == weights:
            continue
        counted = [f"{row['bits']['5000'][rule]:.0f}" for rule in ("count", "graded", "nearer")]
        fewer = each(f"{best(row, queries):.0f}" for queries in (1250, 2500))
        name = TOLD.get(row["steps"]) or f"`{row['steps']}`"
        asked = [] if weights else [f"{row['asked']:,}"]
        lost = f"{points(row):+.2f}"
        body.append([name, *asked, f"{100 * row['accuracy']:.2f}", lost, *counted, fewer, f"{dated(best(row)):.0f}"])
    asked = [] if weights else ["answers asked"]
    return markdown(
        [
            "thief",
            *asked,
            "accuracy %",
            "points lost",
            "count",
            "graded",
            "nearer",
            "best of 1,250, 2,500",
            "net, dated",
        ],
        body,
    )


def summary() -> str:
    """Return, of those that lose at most so many points against the marked network, who leaves least."""
    body = []
    for most in (1, 2, 5):
        for kind, asks in (("weights", False), ("answers alone", True)):
            there = [row for row in found() if (row["asked"] > 0) == asks and row["steps"] != "none"]
            there = [row for row in there if points(row) <= most]
            if there:
                least = min(there, key=best)
                kept = sum(best(row) >= BAR for row in there)
                name = TOLD.get(least["steps"]) or f"`{least['steps']}`"
                body.append([f"{most}", kind, f"{len(there)}", f"{kept}", name, f"{best(least):.0f}"])
    header = [
        "points lost at most",
        "the thief has",
        "enemies",
        f"of them leave {BAR} gross bits",
        "who leaves least",
        "gross bits",
    ]
    return markdown(header, body)


def missing() -> str:
    """Return what is in the list and was not measured."""
    there = {row["steps"] for row in found()}
    lacking = [TOLD.get(steps) or f"`{steps}`" for steps in ENEMIES if steps not in there]
    return f"Not measured here: {'; '.join(lacking)}." if lacking else "All of the list is measured."


def outcome(name: str) -> str:
    """Return for docs/attacks.md what an attack alone left of a field, where it left least; empty if not measured."""
    own = [row for row in found() if row["steps"].partition("(")[0] == name and "+" not in row["steps"]]
    if not own:
        return ""
    least = min(own, key=best)
    settings = least["steps"].partition("(")[2].rstrip(")")
    said = f"{settings}, " if settings else ""
    return (
        f"on [field](schemes/field-enemies.md): left {best(least):.0f} gross bits ({said}{points(least):+.1f} points)"
    )


TABLES = {
    "field-enemies-weights": lambda: enemies(weights=True),
    "field-enemies-answers": lambda: enemies(weights=False),
    "field-enemies-least": summary,
    "field-enemies-missing": missing,
}
