"""``modelmark schemes``: what there is to choose from."""

from modelmark.cli.options import Json


def run(json: Json = False) -> None:
    """List the schemes, what access they need and what can be set."""
    from modelmark.cli.listing import print_rows, settings
    from modelmark.schemes import SCHEMES, scheme_class

    rows = [
        {"name": name, "access": cls.access, "summary": cls.summary, "settings": settings(cls)}
        for name, cls in ((name, scheme_class(name)) for name in sorted(SCHEMES))
    ]
    print_rows(rows, ("name", "access", "summary"), as_json=json)
