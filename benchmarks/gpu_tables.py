"""The tables of what was measured on a GPU, on ``docs/results-tables.md``."""

from _rows import Row, markdown, rows


def adi_paper() -> str:
    body, found = [], rows("adi-paper")
    models = [row for row in found if row["attack"] == "none"]
    attacked = sorted((row for row in found if row["attack"] != "none"), key=lambda row: row["attack"])
    for row in models + attacked:
        old = f"{row['old head']['matches']}" if "old head" in row else ""
        name = row["model"] if row["attack"] == "none" else f"{row['attack']}, {row['epochs']} epochs"
        triggers = f"{row['matches']} of {row['trials']}, net {row['net_bits']:.0f}"
        body.append([name, f"{100 * row['accuracy']:.2f}", triggers, old, f"{row['wall_s']:.0f}"])
    return markdown(["model", "test accuracy %", "triggers", "through the old head", "seconds"], body)


def overhead_gpu() -> str:
    table = rows("overhead-gpu")
    body = []
    for row in table:
        for name, found in row.items():
            if isinstance(found, dict) and "ratio" in found and not name.startswith(("plain", "control")):
                body.append([f"{row['net']}: {name}", found.get("against", "plain"), *_cost(row, found)])
    return markdown(["step", "against", "ms", "ratio", "extra ms", "control"], body)


def _cost(row: Row, found: Row) -> list[str]:
    control = f"{row['control']['ratio']:.3f}"
    return [f"{found['ms']:.2f}", f"{found['ratio']:.3f}", f"{found['extra_ms']:+.2f}", control]


TABLES = {"adi-paper": adi_paper, "overhead-gpu": overhead_gpu}
