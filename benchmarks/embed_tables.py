"""The tables of docs/embedding.md on embedding, from the rows that ``embed_speed.py`` wrote."""

from collections.abc import Callable

from _rows import Row, markdown, rows

NETS = {"lenet5": "MNIST, `lenet5`", "resnet8": "CIFAR-10, `resnet8`"}


def speed() -> str:
    found, body = rows("embed-speed"), []
    for net, scheme in dict.fromkeys((row["net"], row["scheme"]) for row in found):
        ways = {row["way"]: row for row in found if (row["net"], row["scheme"]) == (net, scheme)}
        if not {"default", "counted"} <= ways.keys():
            continue
        default, counted, whole = ways["default"], ways["counted"]["seconds"], ways.get("whole")
        share = f"1/{counted / default['seconds']:.0f}" if default["seconds"] < counted else "more"
        body.append(
            [
                f"{NETS[net]}: `{scheme}`",
                f"{default['seconds']:.1f} ({default['epochs']} epochs)",
                f"{counted:.0f}",
                share,
                f"{default['net_bits']:.0f}",
                f"{100 * (default['before'] - default['after']):.2f}",
                _left(default),
                f"{100 * default['pruned']['accuracy']:.1f}",
                _left(whole) if whole else "",
                f"{100 * whole['pruned']['accuracy']:.1f}" if whole else "",
            ]
        )
    header = [
        "", "default, CPU s", "whole recipe, CPU s", "ratio", "net bits", "points lost",
        "left: fine-tuned; pruned", "accuracy % when pruned", "of the whole recipe's", "accuracy %",
    ]  # fmt: skip
    return markdown(header, body)


def _left(row: Row) -> str:
    short = (
        f"not in: {row['matches']} of {row['trials']}, {row['short']} short of the margin; " if row.get("short") else ""
    )
    return f"{short}{'; '.join(str(row[name]['matches']) for name in ('tuned', 'pruned'))} of {row['trials']}"


def deviations() -> str:
    body = [
        [
            f"{row['deviations']}" if row["deviations"] else "unmarked",
            f"{row['margin']:.2f}" if row["deviations"] else "",
            f"{100 * row['accuracy']:.2f}",
            *(str(row[f"pruned {part}"]) for part in ("0.5", "0.65", "0.8")),
            f"{row['score']:.2f}{', found' if row['found'] else ''}",
        ]
        for row in rows("embed-speed")
        if row["way"] == "deviations"
    ]
    header = ["deviations", "margin", "accuracy %", "50 % pruned", "65 %", "80 %", "`weight-statistics`"]
    return markdown(header, body)


def fit() -> str:
    """Return what ``fit`` takes of loops by hand, and what the other memory format does to one."""
    body = [
        [
            row["net"],
            "last" if row["channels_last"] else "first",
            *(f"{row[name]['total' if 'total' in row[name] else 'ratio']:.3f}" for name in ("fit", "prepared", "other format")),
            f"{row['control']['ratio']:.3f}",
            str(row["rounds"]),
        ]
        for row in rows("fit-speed")
    ]  # fmt: skip
    return markdown(["network", "channels", "`fit`", "floats ready", "the other format", "control", "rounds"], body)


TABLES: dict[str, Callable[[], str]] = {"embed-speed": speed, "embed-deviations": deviations, "fit-speed": fit}
