"""The table of docs/lineage.md, from the rows that ``lineage.py`` wrote."""

import math
from collections.abc import Callable, Iterable

from _rows import each, markdown, rows

TRIED = ("bits", "permtest", "matched")


def lineage() -> str:
    found, body = rows("lineage"), []
    for pair in dict.fromkeys(row["pair"] for row in found if row["seed"] >= 0):
        some = [row for row in found if row["pair"] == pair]
        accuracy = each(f"{100 * row['accuracy']:.0f}" for row in some) if "accuracy" in some[0] else ""
        places = f"{each(row['matches'] for row in some)} of {some[0]['units']}"
        _, _, settings = pair.partition(" ")
        shown = f"`{pair}`" if "=" in settings or not settings else pair
        body.append([shown, accuracy, places, *(each(f"{row[name]:.0f}" for row in some) for name in TRIED)])
    for row in (row for row in found if row["seed"] < 0):
        count = len(row["matches"])
        said = [
            f"{sum(value >= 4 for value in row[name])} of 4 bits or more, most {max(row[name]):.1f}" for name in TRIED
        ]
        body.append([f"{row['pair']}, {count} pairs", "", f"{mean(row['matches']):.2f}", *said])
    return markdown(
        ["suspect", "accuracy %", "units at their place", "`lineage`, bits", "PERMTEST", "matched places"], body
    )


def mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


TABLES: dict[str, Callable[[], str]] = {"lineage": lineage}
