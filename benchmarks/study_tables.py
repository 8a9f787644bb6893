"""The tables of the studies of one scheme or one question, on ``docs/results-schemes.md``."""

import statistics

from _rows import TITLES, each, markdown, percent, rows


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
    table = rows("masking")
    attacks = list(table[0]["after"])
    body = []
    for name in dict.fromkeys(row["masking"] for row in table):
        found = sorted((row for row in table if row["masking"] == name), key=lambda row: row["seed"])
        after = [
            f"{each(r['after'][a]['matches'] for r in found)}"
            f" at {100 * statistics.mean(r['after'][a]['accuracy'] for r in found):.1f}"
            for a in attacks
        ]
        read = [each(row[part] for row in found) for part in ("matches", "held_out")]
        body.append([name, percent([row["accuracy"] for row in found]), *read, *after])
    return markdown(["while training", "test accuracy %", "of 90", "on held-out fusions", *attacks], body)


def margins() -> str:
    table = rows("deepsigns_margin")
    attacks = list(table[0]["after"])
    body = []
    for strength in sorted({row["strength"] for row in table}):
        found = sorted((row for row in table if row["strength"] == strength), key=lambda row: row["seed"])
        wrong = [each(r["after"][a]["trials"] - r["after"][a]["matches"] for r in found) for a in attacks]
        body.append(
            [
                str(strength),
                percent([row["accuracy"] for row in found]),
                each(f"{row['margin']:.2f}" for row in found),
                *wrong,
            ]
        )
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
    table = [row for row in rows("null") if row["study"] == "second mark"]
    for row in sorted(table, key=lambda row: (row["net"], row["variant"], row["seed"])):
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


def rarity() -> str:
    families = ("fine", "grained", "test pictures")
    body = [[TITLES[row["net"]], *(f"{row[family]:.2%}" for family in families)] for row in rows("rarity")]
    return markdown(["network", "fine noise", "noise of several grains", "test pictures"], body)


TABLES = {
    "literal-rates": literal_rates,
    "masking": masking,
    "margins": margins,
    "rarity": rarity,
    "null-patterns": null_patterns,
    "null-piracy": null_piracy,
    "false-positives-summary": false_positives,
}
