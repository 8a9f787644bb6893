"""Every attack: a table by kind and family, then each with its source, its settings and what sweeps try."""

import inspect
import re
from itertools import groupby

from generated.marking import escaped, settings
from modelmark.attacks import ATTACKS, attack_class, fields
from modelmark.attacks.base import KINDS
from modelmark.cli.listing import given

TITLE = f"""# Attacks

All {len(ATTACKS)} of them, by kind and family, as `modelmark attacks` lists them.
[What they removed](../docs/attacks.md) is measured.

"""


def pages() -> dict[str, str]:
    """Return a page with the table, and a page a kind below it."""
    classes = {name: attack_class(name) for name in ATTACKS}
    order = sorted(classes, key=lambda name: (KINDS.index(classes[name].kind), classes[name].family, name))
    made, tables = {}, []
    for kind, group in groupby(order, key=lambda name: classes[name].kind):
        names = list(group)
        rows = [
            f"| [`{name}`](attacks/{kind}.md#{name}) | {classes[name].family} | {escaped(classes[name].summary)} |"
            for name in names
        ]
        tables.append("\n".join((f"## {kind}", "", "| attack | family | what it does |", "| --- | --- | --- |", *rows)))
        made[f"reference/attacks/{kind}.md"] = "\n\n".join(
            (f"# Attacks: {kind}", *(_one(name, classes[name]) for name in names))
        )
    return {"reference/attacks.md": TITLE + "\n\n".join(tables) + "\n", **made}


def _one(name: str, cls) -> str:
    said = re.sub(r"\n(?=Source:|Departs:)", "\n\n", inspect.getdoc(cls))
    rows = [
        (given({field.name: field.default}), escaped(f"{field.about} ({field.range})" if field.range else field.about))
        for field in fields.described(cls)
    ]
    sweeps = [given(strength) for strength in cls.strengths if strength]
    parts = [f"## {name}", escaped(said), settings(rows) or "Nothing to set."]
    if sweeps:
        parts.append("Sweeps try " + ", ".join(f"`{each}`" for each in sweeps) + ".")
    return "\n\n".join(parts)
