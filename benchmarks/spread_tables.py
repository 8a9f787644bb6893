"""Tables of docs/schemes/spread.md, from the rows that ``spread.py``, ``spread_null.py`` and ``spread_speed.py`` wrote."""

import statistics
from collections.abc import Callable
from functools import partial

from _rows import Row, each, markdown, percent, rows

NETS = ("cnn", "lenet5", "resnet8", "vit")
SHOWN = 3  # seeds of which each is shown


def costs(net: str) -> str:
    """Return what each way into a network costs; differences are taken seed by seed."""
    mine = [row for row in rows("spread") if row["net"] == net and row["attack"] == "none"]
    plain = {row["seed"]: row["accuracy"] for row in mine if row["way"].startswith("unmarked")}
    body = []
    for way in dict.fromkeys(row["way"] for row in mine):
        found = [row for row in mine if row["way"] == way]
        kept = [row["accuracy"] for row in found]
        lost = [100 * (plain[row["seed"]] - row["accuracy"]) for row in found]
        error = f" ± {statistics.stdev(lost) / len(lost) ** 0.5:.2f}" if len(lost) > SHOWN else ""
        few = percent(kept) if len(found) <= SHOWN else f"{100 * statistics.mean(kept):.2f} ({len(found)} seeds)"
        read = [
            each(shown(row[name]) for row in found if name in row) if len(found) <= SHOWN else ""
            for name in ("blind", "against")
        ]
        body.append([way, few, "" if way.startswith("unmarked") else f"{statistics.mean(lost):+.2f}{error}", *read])
    return markdown(["", "accuracy %", "points lost", "matches without the host", "against it"], body)


def survival(net: str) -> str:
    """Return what attacks on the copy marked without data leave, seed by seed."""
    mine = [row for row in rows("spread") if row["net"] == net and row["attack"] != "none"]
    body = []
    for attack in dict.fromkeys(row["attack"] for row in mine):
        found = [row for row in mine if row["attack"] == attack]
        if all("refused" in row for row in found):
            body.append([f"`{attack}`", "refused", "", "", ""])
            continue
        read = [each(shown(row[name]) for row in found) for name in ("blind", "against")]
        body.append([f"`{attack}`", each(f"{100 * row['accuracy']:.1f}" for row in found), *read, f"{kept(found):.0f}"])
    return markdown(["attack", "accuracy %", "without the host", "against it", "net bits, worst seed"], body)


def kept(found: list[Row]) -> float:
    """Return the fewest net bits, by the better reading of each row."""
    return min(max(row[name].get("net", 0) for name in ("blind", "against")) for row in found)


def shown(read: Row) -> str:
    return str(read.get("matches", "unreadable"))


def null() -> str:
    """Return how far the share of a million draws is from the exact tail, and how often the charged best reaches a level."""
    found = [row for row in rows("spread-null") if "draws" in row]
    errors, reached = "worst error in standard errors", "charged best reaches, as a share"
    levels = list(found[0][errors]) if found else []
    body = [["stated", "", *(f"{2.0 ** -int(level):.2g}" for level in levels)]] if found else []
    for row in found:
        far = max(row[errors].values())
        body.append(
            [
                f"{row['suspect']}, {row['readings']} readings",
                f"{far:.1f}",
                *(f"{row[reached][level]:.2g}" for level in levels),
            ]
        )
    return markdown(
        ["model without the mark", "worst reading, standard errors", *(f"{level} bits" for level in levels)], body
    )


def speed() -> str:
    """Return processor seconds and memory of the last measurement."""
    last = rows("spread-speed")[-1]
    body = [[f"`{name}`", f"{seconds:.2f}", str(last["peak_mb"][name])] for name, seconds in last["cpu_s"].items()]
    return markdown([f"{last['bytes'] / 1e9:.2f} GB of bf16", "processor, s", "memory at most, MB"], body)


TABLES: dict[str, Callable[[], str]] = {
    **{f"spread-{net}": partial(costs, net) for net in NETS},
    **{f"spread-{net}-attacks": partial(survival, net) for net in NETS},
    "spread-null": null,
    "spread-speed": speed,
}
