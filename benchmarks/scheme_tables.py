"""The tables of ``docs/results-schemes.md``, and what ``modelmark schemes`` says was measured, from the rows of the studies."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
MEASURED = Path(__file__).parents[1] / "src" / "modelmark" / "schemes" / "measured.json"
Row = dict[str, Any]
TITLES = {"mlp": "MNIST, mlp", "lenet5": "MNIST, LeNet-5", "resnet8": "CIFAR-10 (JPEG), resnet8"}
TOLERATED = 0.05
"""Accuracy that a thief gives away at most for a removal to count, as in the field's systematic study."""


def rows(*names: str) -> list[Row]:
    found = []
    for name in names:
        path = RESULTS / f"{name}.jsonl"
        found += [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return found


def markdown(header: list[str], body: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def each(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)


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
        marked = self.pick(variant, "none")
        return statistics.mean(100 * (unmarked[row["seed"]] - row["accuracy"]) for row in marked)


def fidelity(name: str) -> str:
    net = Net(name)
    unmarked = net.pick("unmarked", "none")
    body = [["unmarked", _percent(unmarked), "", "", "", "", ""]]
    for variant in net.variants:
        found = net.pick(variant, "none")
        if any("refused" in row for row in found):
            body.append([variant, "refused", "", "", "", "", found[0].get("refused", "")])
            continue
        bits = each(f"{row['net_bits']:.0f}" for row in found) if "net_bits" in found[0] else "none: an observation"
        body.append(
            [
                variant,
                _percent(found),
                f"{net.lost(variant):+.2f}",
                f"{each(row['matches'] for row in found)} of {found[0]['trials']}",
                bits,
                each(f"{row['margin']:.2f}" for row in found),
                each(row["unmarked"]["matches"] for row in found),
            ]
        )
    header = ["variant", "test accuracy %", "points lost", "matches", "net bits", "margin", "unmarked host matches"]
    return markdown(header, body)


def _percent(found: list[Row]) -> str:
    values = [100 * row["accuracy"] for row in found]
    seeds = f" ({each(f'{value:.2f}' for value in values)})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{seeds}"


def survival(name: str, attacks: list[str]) -> str:
    net = Net(name)
    body = []
    for variant in net.variants:
        marked = net.pick(variant, "none")
        if any("refused" in row for row in marked):
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
            cells = [_errors(net.pick(variant, "none"), "aligned")]
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


def literal_rates() -> str:
    body = []
    for row in rows("literal_rates"):
        rates = [rate for key in row["rates"] for rate in key]
        body.append(
            [
                row["variant"],
                f"{len(row['rates'])} x {len(row['rates'][0])}",
                f"{min(rates):.0%}",
                f"{statistics.mean(rates):.0%}",
                f"{max(rates):.0%}",
            ]
        )
    return markdown(["literal variant", "keys x unmarked models", "least", "mean", "most"], body)


def masking() -> str:
    body = [
        [
            row["masking"],
            f"{100 * row['accuracy']:.2f}",
            str(row["matches"]),
            str(row["held_out"]),
            *(f"{r['matches']} at {100 * r['accuracy']:.1f}" for r in row["after"].values()),
        ]
        for row in rows("masking")
    ]
    after = list(rows("masking")[0]["after"])
    return markdown(["while training", "test accuracy %", "of 90", "on held-out fusions", *after], body)


def margins() -> str:
    table = rows("deepsigns_margin")
    attacks = list(table[0]["after"])
    body = []
    for strength in sorted({row["strength"] for row in table}):
        found = sorted((row for row in table if row["strength"] == strength), key=lambda row: row["seed"])
        wrong = [each(r["after"][a]["trials"] - r["after"][a]["matches"] for r in found) for a in attacks]
        body.append([str(strength), _percent(found), each(f"{row['margin']:.2f}" for row in found), *wrong])
    return markdown(["strength", "test accuracy %", "margin", *(f"wrong bits after {a}" for a in attacks)], body)


def null_patterns() -> str:
    body = []
    table = [row for row in rows("null") if row["study"] == "patterns"]
    for net, variant in dict.fromkeys((row["net"], row["variant"]) for row in table):
        found = [row for row in table if (row["net"], row["variant"]) == (net, variant)]
        good = [row for row in found if "refused" not in row]
        if len(good) < len(found):
            body.append(
                [TITLES[net], variant, f"refused on {len(found) - len(good)} of {len(found)} seeds", "", "", "", ""]
            )
        if not good:
            continue
        foreign = [share for row in good for share in row["foreign_null"]]
        body.append(
            [
                TITLES[net],
                variant,
                *(each(f"{100 * row[part]:.2f}" for row in good) for part in ("accuracy", "acc_null", "acc_true")),
                f"{100 * statistics.median(foreign):.0f}, {100 * max(foreign):.0f}",
                f"{sum(share > 0.8 for share in foreign)} of {len(foreign)}",
            ]
        )
    header = [
        "network",
        "variant",
        "test accuracy %",
        "acc_null %",
        "acc_true %",
        "foreign null %: median, most",
        "above 80 %",
    ]
    return markdown(header, body)


def null_piracy() -> str:
    body = []
    for row in rows("null"):
        if row["study"] != "second mark":
            continue
        steps = [
            f"{100 * s['accuracy']:.1f}; {100 * s['second_null']:.0f}, {100 * s['second_true']:.0f}; {s['first']}"
            for s in row["after"]
        ]
        body.append([TITLES[row["net"]], f"{row['variant']}, seed {row['seed']}", *steps])
    header = ["network", "variant", *(f"epoch {n + 1}" for n in range(max(len(line) for line in body) - 2))]
    return markdown(header, body)


def false_positives() -> str:
    body = []
    table = rows("false_positives")
    for scheme in dict.fromkeys(row["scheme"] for row in table):
        found = [row for row in table if row["scheme"] == scheme]
        worst = max(abs(level["errors"]) for row in found for level in row["levels"])
        body.append(
            [scheme, str(len(found)), f"{worst:.2f}", f"{max(row['most_bits_of_fresh_keys'] for row in found):.1f}"]
        )
    header = ["scheme", "unmarked models", "largest deviation, standard errors", "most bits of a fresh key"]
    return markdown(header, body)


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
    return entries


def _established(reading: Row) -> bool:
    return bool(reading.get("verdict") == "established")


FINE = ["ftal 1e-05", "ftal 0.001", "ftal 0.01", "overwrite", "overwrite gently"]
PRUNE = ["prune 20%", "prune 40%", "prune 50%", "prune 65%", "prune 80%", "prune 90%", "prune 95%"]
TABLES = {
    **{f"fidelity-{name}": (lambda name=name: fidelity(name)) for name in TITLES},
    **{f"fine-{name}": (lambda name=name: survival(name, FINE)) for name in TITLES},
    **{f"prune-{name}": (lambda name=name: survival(name, PRUNE)) for name in TITLES},
    "reparametrised": reparametrised,
    "literal-rates": literal_rates,
    "masking": masking,
    "margins": margins,
    "null-patterns": null_patterns,
    "null-piracy": null_piracy,
    "false-positives-summary": false_positives,
}
