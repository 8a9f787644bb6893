"""``modelmark attacks``: what a mark can be tried against."""

from modelmark.cli.options import Json


def run(json: Json = False) -> None:
    """List the attacks, their sources and what can be set."""
    from modelmark.attacks import ATTACKS, attack_class
    from modelmark.cli.listing import print_rows, settings

    rows = [
        {"name": name, "summary": cls.summary, "source": cls.source, "settings": settings(cls)}
        for name, cls in ((name, attack_class(name)) for name in sorted(ATTACKS))
    ]
    print_rows(rows, ("name", "summary", "source"), as_json=json)
