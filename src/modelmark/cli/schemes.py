"""``modelmark schemes``: what there is to choose from."""

from modelmark.cli.options import Json
from modelmark.cli.terminal import show


def run(json: Json = False) -> None:
    """List the schemes, what access they need and what can be set."""
    from dataclasses import fields
    from json import dumps

    from modelmark.schemes import SCHEMES, scheme_class

    rows = [
        {
            "name": name,
            "access": cls.access,
            "summary": cls.summary,
            "settings": {field.name: field.default for field in fields(cls)},  # type: ignore[arg-type]
        }
        for name, cls in ((name, scheme_class(name)) for name in sorted(SCHEMES))
    ]
    if json:
        show(dumps(rows))
        return
    for row in rows:
        show(f"{row['name']:10} {row['access']:10} {row['summary']}")
        show(" " * 22 + " ".join(f"{name}={value}" for name, value in row["settings"].items()))
