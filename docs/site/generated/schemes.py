"""Every scheme: a table, then each with what it carries and costs, and its settings."""

import io
import json
from contextlib import redirect_stdout

from generated.marking import escaped
from modelmark.cli import schemes
from modelmark.schemes import scheme_class

TITLE = """# Schemes

As `modelmark schemes` lists them; [the rows behind the numbers](../docs/results-schemes.md). A page of each
says what it is for and what removed it.

| scheme | kind | what it is |
| --- | --- | --- |
"""


def pages() -> dict[str, str]:
    """Return a page with the table, and one page with the settings of all."""
    with redirect_stdout(io.StringIO()) as shown:
        schemes.run(json=True)
    rows, parts = [], ["# Settings of schemes"]
    for row in json.loads(shown.getvalue()):
        name, cls = row["name"], scheme_class(row["name"])
        found = "; ".join(("Measured: " + row["size"], row["removed"])) if row["measured"] else "Not measured"
        rows.append(f"| [`{name}`](schemes/settings.md#{name}) | {row['access']} | {escaped(row['summary'])} |")
        described = f"```{{eval-rst}}\n.. autoclass:: {cls.__module__}.{cls.__name__}\n```"
        parts.append(f"## {name}\n\n{escaped(found)}.\n\n{described}")
    return {"reference/schemes.md": TITLE + "\n".join(rows) + "\n", "reference/schemes/settings.md": "\n\n".join(parts)}
