"""Tables of docs/copies.md, from the rows that ``copies.py`` wrote."""

import statistics
from collections.abc import Callable

from _rows import Row, each, markdown, rows

KINDS = {
    ("issue", 1024): "1,024 bits",
    ("issue", 4096): "4,096 bits",
    ("embed", 1024): "pushes of one size, 1,024 bits",
}
WORKS = {
    "hash": "SHA-256 by Python, with the processor's instructions",
    "sha256sum": "`sha256sum`, without them",
    "key": "a key for the file",
    "embed": "the same and `embed`",
    "issue": "the same and `issue`",
}


def picked(part: str, **cell: object) -> list[Row]:
    found = [row for row in rows("copies") if row["part"] == part]
    return [row for row in found if all(row.get(name) == value for name, value in cell.items())]


def values(name: str, part: str, **cell: object) -> list[object]:
    """Return what a column holds in the rows of a cell, each once, in order."""
    return list(dict.fromkeys(row[name] for row in picked(part, **cell)))


def collusion() -> str:
    ways, body = values("way", "collusion"), []
    for (kind, bits), said in KINDS.items():
        for count in values("colluders", "collusion", kind=kind, bits=bits):
            cells = [named(picked("collusion", kind=kind, bits=bits, colluders=count, way=way)) for way in ways]
            body.append([said, str(count), *cells])
    return markdown(["", "colluders", *map(str, ways)], body)


def named(found: list[Row]) -> str:
    """Return how many are named, seed by seed, and the accuracy where it is five points below what a copy has."""
    if not found:
        return ""
    right = statistics.mean(row["accuracy"] for row in found)
    counts = each(row["named"] for row in sorted(found, key=lambda row: row["seed"]))
    return counts + (f" ({right:.0f} % right)" if right < 94.4 else "")


def cost() -> str:
    body = []
    for (kind, bits), said in KINDS.items():
        if found := sorted(picked("copies", kind=kind, bits=bits), key=lambda row: row["seed"]):
            lost, blind = (
                each(f"{row[name]:.{n}f}" for row in found)
                for name, n in (("points_lost", 2), ("bits_without_host", 0))
            )
            body.append([said, lost, blind])
    return markdown(
        ["", "points lost, mean of 50 copies, by seed", "bits of one copy read without the host, by seed"], body
    )


def innocent() -> str:
    bars = values("bar", "innocent")
    body = [["stated", *(f"{2.0**-bar:.2g}" for bar in bars)]]
    for suspect in values("suspect", "innocent"):
        found = {row["bar"]: row for row in picked("innocent", suspect=suspect)}
        traces = next(iter(found.values()))["traces"]
        body.append([f"{suspect}, {traces:,} traces", *(f"{found[bar]['named'] / traces:.2g}" for bar in bars)])
    return markdown(["somebody innocent named, at a bar of", *(f"{bar} bits" for bar in bars)], body)


def growth() -> str:
    body = []
    for suspect, said in (("cnn", "`cnn`, 0.2 M weights"), ("large", "256 MB of bf16, 2<sup>26</sup> of its weights")):
        for count in values("recipients", "growth", suspect=suspect):
            found = picked("growth", suspect=suspect, recipients=count)
            read, whole = (statistics.mean(row[name] for row in found) for name in ("reading_s", "trace_s"))
            body.append([said, f"{count:,}", f"{read:.2f}", f"{whole:.2f}", f"{whole / read:.1f}"])
    return markdown(["suspect", "recipients", "one reading, s", "trace, s", "times"], body)


def issue() -> str:
    body = []
    for work, said in WORKS.items():
        found = picked("issue", work=work)
        body.append([said, each(f"{row['cpu_s']:.2f}" for row in found), f"{max(row['peak_mb'] for row in found):.0f}"])
    return markdown(["256 MB of bf16, 2<sup>24</sup> weights marked", "processor, s", "memory at most, MB"], body)


TABLES: dict[str, Callable[[], str]] = {
    "copies-collusion": collusion,
    "copies-cost": cost,
    "copies-innocent": innocent,
    "copies-growth": growth,
    "copies-issue": issue,
}
