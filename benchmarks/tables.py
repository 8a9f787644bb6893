"""Write the tables of a page from the rows of the studies, so that every number in the docs stands in a committed row.

Run: ``python benchmarks/tables.py`` with the pages, docs/results*.md,
docs/{alignment,attacks,copies,embedding,formats,language,lineage}.md and
docs/schemes/{choice,field,field-enemies,field-rivals,order,spread,twins}.md. What is between
``<!-- begin NAME -->`` and ``<!-- end NAME -->`` is replaced by table NAME, and what ``modelmark schemes`` lists is written; a
test checks that nothing would change.
"""

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import attack_tables
import audit_tables
import copies_tables
import data_tables
import embed_tables
import family_tables
import field_enemies_tables
import field_tables
import gpu_tables
import heat_map
import language_tables
import lineage_tables
import matrix_tables
import paper_tables
import rivals_tables
import scheme_tables
import spread_tables
import study_tables
import symmetry_tables
from _rows import Row, markdown, percent, rows


def pick(table: list[Row], **cell: object) -> list[Row]:
    found = [row for row in table if all(row.get(name) == value for name, value in cell.items())]
    return sorted(found, key=lambda row: row["seed"])


def bits(found: list[Row]) -> str:
    return ", ".join(f"{row['net_bits']:.0f}" for row in found)


def matches(found: list[Row], field: str = "matches") -> str:
    return ", ".join(str(row[field]) for row in found)


def mnist_fidelity() -> str:
    table = rows("mnist")
    unmarked = {row["seed"]: row["accuracy"] for row in pick(table, model="unmarked")}
    body = [["unmarked", percent(list(unmarked.values())), "", "", "", ""]]
    for model in dict.fromkeys(row["model"] for row in table if row.get("attack") == "none"):
        found = pick(table, model=model, attack="none")
        if "refused" in found[0]:
            reached = ", ".join(re.search(r"(\d+/\d+)", row["refused"]).group(1) for row in found)
            body.append([model, "refused", "", reached, "", ""])
            continue
        lost = statistics.mean(100 * (unmarked[row["seed"]] - row["accuracy"]) for row in found)
        trials = found[0]["trials"]
        rounds = ", ".join(str(row["rounds"]) for row in found)
        body.append(
            [
                model,
                percent([r["accuracy"] for r in found]),
                f"{lost:+.2f}",
                f"{matches(found)} of {trials}",
                bits(found),
                rounds,
            ]
        )
    return markdown(["model", "test accuracy %", "points lost", "matches", "net bits", "rounds"], body)


def mnist_attacks() -> str:
    table = rows("mnist")
    body = []
    models = dict.fromkeys(row["model"] for row in table if row.get("attack") not in (None, "none"))
    for model in models:
        for attack in dict.fromkeys(
            row["attack"] for row in table if row["model"] == model and row.get("attack") != "none"
        ):
            found = pick(table, model=model, attack=attack)
            heads = ""
            if "with_host_head" in found[0]:
                heads = f"{matches(found, 'with_host_head')}; {matches(found, 'with_marked_head')}"
            of = f"{matches(found)} of {found[0]['trials']}"
            body.append([model, attack, percent([r["accuracy"] for r in found]), of, bits(found), heads])
    header = ["model", "attack", "test accuracy %", "matches", "net bits", "with the host's head; the marked head"]
    return markdown(header, body)


def mnist_heads() -> str:
    table = [row for row in rows("mnist") if "head_of" in row]
    body = [
        [f"head of: {name}", f"{matches(found)} of {found[0]['trials']}"]
        for name in dict.fromkeys(row["head_of"] for row in table)
        if (found := pick(table, head_of=name))
    ]
    return markdown(["unmarked host with", "matches"], body)


def cifar() -> str:
    table = rows("cifar")
    unmarked = {row["seed"]: row["accuracy"] for row in pick(table, model="unmarked")}
    body = []
    for model in dict.fromkeys(row["model"] for row in table):
        found = pick(table, model=model, attack="none")
        lost = statistics.mean(100 * (unmarked[row["seed"]] - row["accuracy"]) for row in found)
        cells = [
            f"{', '.join(str(row[s]['matches']) for row in found)} of {found[0][s]['trials']}" if s in found[0] else ""
            for s in ("adi", "uchida")
        ]
        cpu = ", ".join(f"{row['cpu_s'] / 60:.1f}" for row in found)
        body.append(
            [model, percent([r["accuracy"] for r in found]), f"{lost:+.2f}" if model != "unmarked" else "", *cells, cpu]
        )
    return markdown(["model", "test accuracy %", "points lost", "adi", "uchida", "CPU minutes"], body)


def cifar_attacks() -> str:
    body = [
        [
            row["attack"],
            f"{100 * row['accuracy']:.2f}",
            *(f"{row[s]['matches']} of {row[s]['trials']}, net {row[s]['net_bits']:.0f}" for s in ("adi", "uchida")),
        ]
        for row in rows("cifar")
        if row["attack"] != "none"
    ]
    return markdown(["attack", "test accuracy %", "adi", "uchida"], body)


def false_positives() -> str:
    table = [row for row in rows("false_positives") if row["scheme"] in ("adi", "uchida")]
    body = []
    for row in table:
        cells = [f"{e['observed']:.4f} / {e['exact']:.4f} ({e['errors']:+.1f})" for e in row["levels"]]
        body.append([row["model"], f"{row['scheme']} {row['trials']}", *cells, f"{row['most_bits_of_fresh_keys']:.1f}"])
    worst = max(abs(e["errors"]) for row in table for e in row["levels"])
    most = max(row["most_bits_of_fresh_keys"] for row in table)
    header = [
        "model",
        "scheme, symbols",
        "0.5",
        "0.1",
        "0.05",
        "0.01",
        "0.001",
        f"most bits of {table[0]['keys']} fresh keys",
    ]
    return f"{markdown(header, body)}\n\nLargest deviation: {worst:.2f} standard errors. Most bits of any fresh key: {most:.1f}."


def overhead() -> str:
    table = rows("overhead")

    def each(show: Callable[[Row], str], **cell: object) -> str:
        return "; ".join(show(row) for row in table if all(row.get(name) == value for name, value in cell.items()))

    body = [
        ["`modelmark --help`", each(lambda r: f"{r['median_cpu_s']:.3f} s CPU", what="help"), "", ""],
        [
            "`fit` / bare loop",
            each(lambda r: f"{r['fit']['ratio']:.3f}", what="fit against a bare loop"),
            "",
            each(lambda r: f"{r['control']['ratio']:.3f}", what="fit against a bare loop"),
        ],
    ]
    for net in dict.fromkeys(row["net"] for row in table if row["what"] == "step"):
        control = each(lambda r: f"{r['control']['ratio']:.3f}", what="step", net=net)
        for scheme, against in (("uchida", "plain"), ("adi", "plain with B + k samples")):
            ratio = each(lambda r, scheme=scheme: f"{r[scheme]['ratio']:.3f}", what="step", net=net)
            extra = each(lambda r, scheme=scheme: f"{r[scheme]['extra_ms']:+.2f}", what="step", net=net)
            body.append([f"{net}: {scheme} / {against}", ratio, extra, control])
    for row in (row for row in table if row["what"] == "schemes"):
        control = f"{row['control']['ratio']:.3f}"
        for name, found in row.items():
            if isinstance(found, dict) and "ratio" in found and name not in ("plain", "control"):
                label = f"{row['net']}, run {row['run']}: {name} / {found.get('against', 'plain')}"
                total = f" ({found['total']:.3f} of plain)" if "total" in found else ""
                body.append([label, f"{found['ratio']:.3f}{total}", f"{found['extra_ms']:+.2f}", control])
    return markdown(["what, one value a run", "ratio", "extra ms a step", "control"], body)


TABLES: dict[str, Callable[[], str]] = {
    "mnist": mnist_fidelity,
    "mnist-attacks": mnist_attacks,
    "mnist-heads": mnist_heads,
    "cifar": cifar,
    "cifar-attacks": cifar_attacks,
    "false-positives": false_positives,
    "overhead": overhead,
}


def filled(page: str) -> str:
    """Return the page with every table that it has a place for made anew."""
    rooms = (
        scheme_tables,
        study_tables,
        attack_tables,
        audit_tables,
        family_tables,
        field_enemies_tables,
        field_tables,
        gpu_tables,
        paper_tables,
        heat_map,
        language_tables,
        copies_tables,
        data_tables,
        embed_tables,
        spread_tables,
        lineage_tables,
        matrix_tables,
        rivals_tables,
        symmetry_tables,
    )
    tables = TABLES | {name: table for room in rooms for name, table in room.TABLES.items()}
    for name, table in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin in page:
            before, rest = page.split(begin)
            page = f"{before}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
    return page


if __name__ == "__main__":
    for target in map(Path, sys.argv[1:]):
        target.write_text(filled(target.read_text()))
    scheme_tables.MEASURED.write_text(json.dumps(scheme_tables.measured(), indent=1) + "\n")
