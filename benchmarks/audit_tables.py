"""The table of docs/audit/README.md: what the kept rows of every audit are, counted from them."""

import json
from collections.abc import Callable

from _rows import markdown
from attack_tables import AUDIT
from modelmark.audit.result import INDEPENDENT

GRIDS = {
    "digits": "[digits.toml](digits.toml), [copies.toml](copies.toml); every strength; of later schemes and attacks "
    "[some](schemes.toml), [others](pairs.toml), [removals](removals.toml)",
    "standard": "`standard --data idx:DIR`; every strength",
    "quick": "`quick`; defaults",
    "normalised": "[normalised.toml](normalised.toml); attacks that need batch norm",
    "deployment": "[deployment.toml](deployment.toml), [another](deployment-normalised.toml); exporters and quantisers",
    "symmetries": "`symmetries:GRID` in `benchmarks/`; a small vision transformer",
}
"""By what each was made."""


def audits() -> str:
    """Return a line for each file of rows: how many, of what, by which grid, and between which days."""
    body = []
    for name, grid in GRIDS.items():
        found = [json.loads(line) for line in (AUDIT.parent / f"{name}.jsonl").read_text().splitlines()]
        days = sorted(row["started"][:10] for row in found)
        nets = ", ".join(dict.fromkeys(f"{row['data']}, {row['arch']}" for row in found))
        kinds = [len({row[kind] for row in found} - {INDEPENDENT}) for kind in ("scheme", "attack", "seed")]
        links = f"[rows]({name}.jsonl), [page]({name}.html)"
        body.append([name, links, nets, grid, str(len(found)), *map(str, kinds), f"{days[0]} to {days[-1]}"])
    return markdown(
        ["audit", "files", "data, network", "grid", "rows", "schemes", "attacks", "seeds", "measured"], body
    )


TABLES: dict[str, Callable[[], str]] = {"audits": audits}
