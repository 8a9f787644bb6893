"""The tables of ``docs/results-schemes.md``, and what ``modelmark schemes`` says was measured, from the rows of the studies."""

import statistics
from pathlib import Path
from typing import Any

from _rows import TITLES, Row, each, markdown, percent, rows
from attack_tables import AUDIT
from modelmark.audit.result import read

MEASURED = Path(__file__).parents[1] / "src" / "modelmark" / "schemes" / "measured.json"
BAR = 64
"""Net bits from which a mark is established."""
TOLERATED = 0.05
"""Accuracy that a thief gives away at most for a removal to count, as in the field's systematic study."""


class Net:
    """The rows of one network.

    Args:
        name: architecture.
    """

    def __init__(self, name: str) -> None:
        self.rows = [row for row in rows("schemes-mnist", "schemes-cifar") if row["net"] == name]
        self.variants = list(dict.fromkeys(row["variant"] for row in self.rows if row["variant"] != "unmarked"))

    def pick(self, variant: str, attack: str) -> list[Row]:
        """Return one variant's rows under one attack, by seed."""
        found = [row for row in self.rows if row["variant"] == variant and row["attack"] == attack]
        return sorted(found, key=lambda row: row["seed"])

    def lost(self, variant: str) -> float:
        """Return the points of accuracy that a variant costs, mean over paired seeds."""
        unmarked = {row["seed"]: row["accuracy"] for row in self.pick("unmarked", "none")}
        marked = taken(self.pick(variant, "none"))
        return statistics.mean(100 * (unmarked[row["seed"]] - row["accuracy"]) for row in marked)


def taken(found: list[Row]) -> list[Row]:
    """Return the rows of the seeds on which the mark went in."""
    return [row for row in found if "refused" not in row]


def fidelity(name: str) -> str:
    net = Net(name)
    body = [["unmarked", percent([row["accuracy"] for row in net.pick("unmarked", "none")]), "", "", "", "", ""]]
    for variant in net.variants:
        every = net.pick(variant, "none")
        found = taken(every)
        refused = [row for row in every if "refused" in row]
        seeds = f"seed{'s' * (len(refused) > 1)} {each(row['seed'] for row in refused)}"
        if found:
            bits = each(f"{row['net_bits']:.0f}" for row in found) if "net_bits" in found[0] else "none: an observation"
            body.append(
                [
                    f"{variant}, without {seeds}" if refused else variant,
                    percent([row["accuracy"] for row in found]),
                    f"{net.lost(variant):+.2f}",
                    f"{each(row['matches'] for row in found)} of {found[0]['trials']}",
                    bits,
                    each(f"{row['margin']:.2f}" for row in found),
                    each(row["unmarked"]["matches"] for row in found),
                ]
            )
        if refused:
            body.append([f"{variant}, {seeds}", "refused", "", "", "", "", refused[0]["refused"]])
    header = ["variant", "test accuracy %", "points lost", "matches", "net bits", "margin", "unmarked host matches"]
    return markdown(header, body)


def survival(name: str, attacks: list[str]) -> str:
    net = Net(name)
    body = []
    for variant in net.variants:
        marked = taken(net.pick(variant, "none"))
        if not marked:
            continue
        cells = []
        for attack in attacks:
            found = net.pick(variant, attack)
            text = (
                each(row["matches"] for row in found) + f" at {100 * statistics.mean(r['accuracy'] for r in found):.1f}"
                if found
                else ""
            )
            gone = found and "net_bits" in found[0] and any(row["verdict"] != "established" for row in found)
            cells.append(f"**{text}**" if gone else text)
        body.append([f"{variant}, of {marked[0]['trials']}", *cells])
    return markdown(["variant", *attacks], body)


def reparametrised() -> str:
    body = []
    for name, title in TITLES.items():
        net = Net(name)
        for variant in net.variants:
            if not net.pick(variant, "permute"):
                continue
            cells = [_errors(taken(net.pick(variant, "none")), "aligned")]
            for attack in ("permute", "rescale", "dummy"):
                found = net.pick(variant, attack)
                naive = "unreadable" if "unreadable" in found[0] else _errors(found)
                cells.append(f"{naive} → {_errors(found, 'aligned')}")
            body.append([title, variant, *cells])
    header = [
        "network",
        "variant",
        "untouched, aligned",
        "permuted → aligned",
        "rescaled → aligned",
        "extra units → aligned",
    ]
    return markdown(header, body)


def _errors(found: list[Row], part: str = "") -> str:
    read = [row.get(part, row) if part else row for row in found]
    return each(f"{1 - r['matches'] / r['trials']:.3f}" if "matches" in r else "unreadable" for r in read)


def measured() -> dict[str, Any]:
    """Return what the list of schemes says: size, cost and what removed it at 5 points or less, on LeNet-5."""
    earlier = [{**row, "attack": row.get("attack", "none"), "variant": row["model"]} for row in rows("mnist")]
    later = [row for row in rows("schemes-mnist") if row["net"] == "lenet5"]
    entries = {}
    for scheme, (table, variant) in {
        "adi": (earlier, "adi scratch"),
        **{name: (later, f"{name}, trained host") for name in ("uchida", "deepsigns")},
        **{name: (later, name) for name in ("deepsigns-blackbox", "coupled", "null")},
    }.items():
        by_attack: dict[str, dict[int, Row]] = {}
        for row in table:
            if row["variant"] == variant:
                by_attack.setdefault(row["attack"], {})[row["seed"]] = row
        marked = by_attack.pop("none", None)
        if not marked:
            continue
        unmarked = {row["seed"]: row["accuracy"] for row in table if row["variant"] == "unmarked"}
        removed = [
            attack + (" unless aligned" if all(_established(row.get("aligned", {})) for row in found.values()) else "")
            for attack, found in by_attack.items()
            if any(
                not _established(row) and marked[seed]["accuracy"] - row["accuracy"] <= TOLERATED
                for seed, row in found.items()
            )
        ]
        entries[scheme] = {
            "on": f"LeNet-5 on MNIST, {len(marked)} seeds",
            "symbols": marked[min(marked)]["trials"],
            "net_bits": min(row["net_bits"] for row in marked.values()),
            "points_lost": round(
                statistics.mean(100 * (unmarked[s] - row["accuracy"]) for s, row in marked.items()), 2
            ),
            "removed_by": removed,
            "tried": len(by_attack),
        }
    found = entries | spread()
    return found | {name: entry for name, entry in audited().items() if name not in found}


def audited() -> dict[str, Any]:
    """Return the same of every scheme in the audit of digits; attacks by name, whatever their strength."""
    entries = {}
    results = [result for result in read(AUDIT)[0] if result.status == "done"] if AUDIT.exists() else []
    for scheme in sorted({result.scheme for result in results}):
        own = [result for result in results if result.scheme == scheme]
        judged = [result for result in own if result.removed is not None]
        if own[0].marked is None or not judged:
            continue
        entries[scheme] = {
            "on": f"{own[0].arch} on {own[0].data}, {len({result.seed for result in own})} seed",
            "symbols": own[0].marked["trials"],
            "net_bits": round(own[0].marked["net_bits"], 1),
            "points_lost": round(100 * (own[0].accuracy.host - own[0].accuracy.marked), 2),
            "removed_by": sorted({result.attack for result in judged if result.succeeded}),
            "tried": len({result.attack for result in judged}),
        }
    return entries


def spread() -> dict[str, Any]:
    """Return the same of ``spread``, which has rows of its own."""
    mine = [row for row in rows("spread") if row["net"] == "lenet5" and row["way"] in ("unmarked", "data-free")]
    unmarked = {row["seed"]: row["accuracy"] for row in mine if row["way"] == "unmarked"}
    marked = {row["seed"]: row for row in mine if row["way"] == "data-free" and row["attack"] == "none"}
    if not marked:
        return {}
    tried = [row for row in mine if row["attack"] != "none" and "refused" not in row]
    removed = [
        row["attack"]
        for row in tried
        if marked[row["seed"]]["accuracy"] - row["accuracy"] <= TOLERATED
        and max(row[name].get("net", 0) for name in ("blind", "against")) < BAR
    ]
    return {
        "spread": {
            "on": f"LeNet-5 on MNIST, {len(marked)} seeds",
            "symbols": marked[min(marked)]["against"]["trials"],
            "net_bits": min(row["against"]["net"] for row in marked.values()),
            "points_lost": round(
                statistics.mean(100 * (unmarked[s] - row["accuracy"]) for s, row in marked.items()), 2
            ),
            "removed_by": list(dict.fromkeys(removed)),
            "tried": len({row["attack"] for row in tried}),
        }
    }


def _established(reading: Row) -> bool:
    return bool(reading.get("verdict") == "established")


FINE = ["ftal 1e-05", "ftal 0.001", "ftal 0.01", "overwrite", "overwrite gently"]
PRUNE = ["prune 20%", "prune 40%", "prune 50%", "prune 65%", "prune 80%", "prune 90%", "prune 95%"]
TABLES = {
    **{f"fidelity-{name}": (lambda name=name: fidelity(name)) for name in TITLES},
    **{f"fine-{name}": (lambda name=name: survival(name, FINE)) for name in TITLES},
    **{f"prune-{name}": (lambda name=name: survival(name, PRUNE)) for name in TITLES},
    "reparametrised": reparametrised,
}
