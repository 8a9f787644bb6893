"""``modelmark attacks``: what a mark can be tried against."""

from modelmark.cli.options import Json
from modelmark.cli.terminal import show


def run(json: Json = False) -> None:
    """List the attacks, their sources and what can be set."""
    from dataclasses import fields
    from json import dumps

    from modelmark.attacks import ATTACKS, attack_class

    rows = [
        {
            "name": name,
            "summary": cls.summary,
            "source": cls.source,
            "settings": {field.name: field.default for field in fields(cls)},  # type: ignore[arg-type]
        }
        for name, cls in ((name, attack_class(name)) for name in sorted(ATTACKS))
    ]
    if json:
        show(dumps(rows))
        return
    for row in rows:
        show(f"{row['name']:10} {row['summary']} ({row['source']})")
        show(" " * 11 + " ".join(f"{name}={value}" for name, value in row["settings"].items()))
