"""Tables of docs/schemes/field.md, from the rows of ``field.py``, ``field_null.py`` and ``field_trio.py``."""

import math
from collections.abc import Callable, Iterable

from _rows import Row, each, markdown, rows
from modelmark.evidence import stats
from modelmark.key.draw import CHARGES

DATED = CHARGES["timestamp"]
RULES = math.log2(3)
BAR = 64
CRITICAL = 0.0136
"""Kolmogorov's distance of 10,000 draws that one fair sample of twenty exceeds."""
STUDENTS = {
    "student of labels": "labels",
    "student of probabilities": "probabilities",
    "student of labels, cnn": "labels, into `cnn`",
}
MISSING = "not measured"
UNMEASURED = "Not measured yet."


def part(name: str, **cell: object) -> list[Row]:
    """Return rows of a part, by size and seed."""
    found = [row for row in rows("field", "field-null", "field-trio") if row["part"] == name]
    found = [row for row in found if all(row.get(key) == value for key, value in cell.items())]
    return sorted(found, key=lambda row: (row["size"], row["seed"]))


def best(row: Row, queries: int = 5000) -> float:
    """Return gross bits by the best rule."""
    return max(row["bits"][str(queries)].values())


def dated(gross: float, charged: float = RULES) -> float:
    """Return net bits with a timestamped draw."""
    return max(gross - charged - DATED, 0.0)


def shown(values: Iterable[float]) -> str:
    return each(f"{value:.0f}" for value in values) or MISSING


def points(row: Row) -> float:
    """Return the points of accuracy that a network has less than its host."""
    (host,) = part("survival", size=row["size"], seed=row["seed"], suspect="host")
    return 100 * (host["accuracy"] - row["accuracy"])


def lost(found: list[Row]) -> str:
    return each(f"{points(row):+.2f}" for row in found)


def aims() -> str:
    """Return what was aimed at and what was found, seed by seed."""
    body = []
    for size in (16, 32):
        cell = {"size": size, "lose": 0.9}
        marked = part("survival", suspect="marked", **cell)
        if not marked:
            continue
        title = f"{size} x {size}"
        body.append([title, "points lost by the mark", "1 at most", lost(marked)])
        body.append([title, "the marked network, net", f"{BAR}", shown(dated(best(row)) for row in marked)])
        for suspect, what in STUDENTS.items():
            found = part("survival", suspect=suspect, **cell)
            body.append([title, f"student of {what}, gross", f"{BAR}", shown(best(row) for row in found)])
    return markdown(["pictures", "with 5,000 labels", "aimed at", "found, seed by seed"], body)


def survival() -> str:
    """Return bits of every suspect by each rule."""
    body = []
    for size, suspect in dict.fromkeys((row["size"], row["suspect"]) for row in part("survival", lose=0.9)):
        found = part("survival", size=size, suspect=suspect, lose=0.9)
        named = "host of another seed" if suspect.startswith("host of seed") else suspect
        rules = [shown(row["bits"]["5000"][rule] for row in found) for rule in ("count", "graded", "nearer")]
        accuracy = each(f"{100 * row['accuracy']:.1f}" for row in found)
        body.append([f"{size} x {size}", named, each(row["seed"] for row in found), accuracy, *rules])
    header = [
        "pictures",
        "suspect",
        "seeds",
        "accuracy %",
        "signs counted",
        "graded",
        "graded, against both references",
    ]
    return markdown(header, body) if body else UNMEASURED


def frontier() -> str:
    """Return bits of the marked network and of its copies by what the field may cost."""
    body = []
    for size in (16, 32):
        for asked in sorted({row["lose"] for row in part("survival", size=size)}):
            marked = part("survival", size=size, lose=asked, suspect="marked")
            copies = part("survival", size=size, lose=asked, suspect="student of labels")
            seeds = each(row["seed"] for row in marked)
            bits = [shown(best(row) for row in found) for found in (marked, copies)]
            body.append([f"{size} x {size}", f"{asked:g}", seeds, lost(marked), *bits])
    return markdown(["pictures", "`lose`", "seeds", "points lost", "marked, gross", "student of labels, gross"], body)


def queries() -> str:
    """Return bits by how many queries are asked."""
    body = []
    for suspect in ("marked", *STUDENTS):
        for row in part("survival", suspect=suspect, lose=0.9):
            bits = [f"{best(row, int(count)):.0f}" for count in row["bits"]]
            body.append([f"{row['size']} x {row['size']}", suspect, f"{row['seed']}", *bits])
    header = ["pictures", "suspect", "seed", "500 queries", "1,250", "2,500", "5,000"]
    return markdown(header, body) if body else UNMEASURED


def pictures() -> str:
    """Return bits of a student by how many pictures the thief has."""
    few = part("pictures")
    full = [row for row in part("survival", suspect="student of labels", lose=0.9) if _has(few, row)]
    body = [
        [
            f"{row['size']} x {row['size']}",
            f"{row.get('pictures', 17_500):,}",
            f"{row['seed']}",
            f"{100 * row['accuracy']:.1f}",
        ]
        + [f"{row['bits']['5000'][rule]:.0f}" for rule in ("count", "graded", "nearer")]
        for row in sorted([*few, *full], key=lambda row: (row["size"], row["seed"], row.get("pictures", 17_500)))
    ]
    header = ["size", "pictures of the thief", "seed", "accuracy %", "signs counted", "graded", "against both"]
    return markdown(header, body) if body else UNMEASURED


def _has(found: list[Row], row: Row) -> bool:
    return any((one["size"], one["seed"]) == (row["size"], row["seed"]) for one in found)


def rehearsals() -> str:
    """Return bits by how many rehearsals the key was made with, and with random queries."""
    body = []
    for row in part("rehearsals"):
        bits = [f"{best(row[suspect]):.0f}" for suspect in ("marked", "student of labels", "student of probabilities")]
        body.append([f"{row['size']} x {row['size']}", f"{row['seed']}", f"{row['rehearsals']}", row["queries"], *bits])
    header = ["pictures", "seed", "rehearsals", "queries", "marked", "student of labels", "of probabilities"]
    return markdown(header, body) if body else UNMEASURED


def predicted() -> str:
    """Return what a student of another draw says beforehand beside what was found."""
    body = []
    for row in part("predicted"):
        (found,) = part("survival", size=row["size"], seed=row["seed"], lose=row["lose"], suspect=row["suspect"])
        body.append([f"{row['size']} x {row['size']}", f"{row['seed']}", f"{best(row):.0f}", f"{best(found):.0f}"])
    header = ["pictures", "seed", "owner's student of another draw, gross", "thief's student of the draw, gross"]
    return markdown(header, body) if body else UNMEASURED


def null() -> str:
    """Return how the draws compare with what may be reached, rule by rule, worst network first."""
    found = part("null")
    if not found:
        return UNMEASURED
    levels = (3, 4, 6, 8, 10)
    draws = found[0]["draws"]
    body = [["may be reached", "", "", *(f"{draws / 2**level:.0f}" for level in levels), ""]]
    for row in found:
        distance = each(f"{row[rule]['distance']:.4f}" for rule in ("count", "graded", "nearer"))
        error = max((row[rule]["worst error"] for rule in ("count", "graded", "nearer")), key=abs)
        charged = row["charged"]
        reached = [f"{charged['reached'][str(level)]}" for level in levels]
        body.append(
            [
                f"{row['suspect']}, seed {row['seed']}",
                distance,
                f"{error:+.1f}",
                *reached,
                f"{charged['most bits']:.1f}",
            ]
        )
    header = [
        "network without a field",
        "distance of each rule",
        "largest error",
        *(f"{level} bits" for level in levels),
        "most",
    ]
    together = each(f"{sum(row['charged']['reached'][str(level)] for row in found):,}" for level in levels)
    expected = each(f"{len(found) * draws / 2**level:,.0f}" for level in levels)
    distances = [row[rule]["distance"] for row in found for rule in ("count", "graded", "nearer")]
    far = sum(distance > CRITICAL for distance in distances)
    told = (
        f"All {len(found)} networks together: {together} draws reached {each(levels)} bits; {expected} may. "
        f"Of {len(distances)} distances {far} exceed {CRITICAL}."
    )
    return f"{markdown(header, body)}\n\n{told}"


def trio() -> str:
    """Return what three marks in one network say after each attack."""
    found = part("trio")
    marked = {row["seed"]: row for row in found if row["attack"] == "none"}
    if not marked:
        return UNMEASURED
    body = []
    for row in found:
        settings = each(f"{name}={value}" for name, value in row["settings"].items())
        bare = row["attack"] in ("unmarked", "with adi alone", "none")
        name = row["attack"] if bare else f"`{row['attack']}` {settings}".strip()
        if "refused" in row:
            body.append([name, "refused", "", "", "", ""])
            continue
        away = 100 * (marked[row["seed"]]["accuracy"] - row["accuracy"])
        told, nets = [], []
        for scheme in ("spread", "field", "adi"):
            one = row["marks"][scheme]
            net = 0.0 if "unreadable" in one else dated(one["bits"], one["charged"])
            nets.append(net)
            told.append("unreadable" if "unreadable" in one else f"{net:.0f} ({one['bits']:.0f})")
        together = stats.fisher_bits(nets)
        body.append([name, f"{away:+.1f}", *told, f"{together:.0f}"])
    return markdown(["attack", "points lost to it", "`spread`: net (gross)", "`field`", "`adi`", "together, net"], body)


TABLES: dict[str, Callable[[], str]] = {
    "field-aims": aims,
    "field-survival": survival,
    "field-frontier": frontier,
    "field-queries": queries,
    "field-pictures": pictures,
    "field-rehearsals": rehearsals,
    "field-predicted": predicted,
    "field-null": null,
    "field-trio": trio,
}
