"""The JSON schemas of documents: what each is of, and the file."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "schemas"
TITLE = """# JSON schemas

One for every kind and version of a document; [what the fields mean](../docs/spec/claim.md). They are made of the code
that reads the documents, by `modelmark.claim.papers.schemas`.

| schema | of |
| --- | --- |
"""


def pages() -> dict[str, str]:
    """Return a page that lists the schemas."""
    rows = [
        f"| [{path.name}](../docs/spec/schemas/{path.name}) | {json.loads(path.read_text())['title']} |"
        for path in sorted(FOLDER.glob("*.json"))
    ]
    return {"reference/schemas.md": TITLE + "\n".join(rows) + "\n"}
