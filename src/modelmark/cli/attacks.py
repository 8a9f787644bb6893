"""``modelmark attacks``: what a mark can be tried against."""

from itertools import groupby

from modelmark.cli.options import Json
from modelmark.cli.terminal import show


def run(json: Json = False) -> None:
    """List the attacks by kind and family, their sources and what can be set."""
    from modelmark.attacks import ATTACKS, attack_class
    from modelmark.attacks.base import KINDS
    from modelmark.cli.listing import print_rows, settings

    classes = {name: attack_class(name) for name in ATTACKS}
    order = sorted(classes, key=lambda name: (KINDS.index(classes[name].kind), classes[name].family, name))
    rows = [
        {
            "name": name,
            "kind": classes[name].kind,
            "family": classes[name].family,
            "summary": classes[name].summary,
            "source": classes[name].source,
            "settings": settings(classes[name]),
        }
        for name in order
    ]
    if json:
        print_rows(rows, (), as_json=True)
        return
    for (kind, family), group in groupby(rows, key=lambda row: (row["kind"], row["family"])):
        show(f"{kind}: {family}")
        print_rows(list(group), ("name", "summary"), as_json=False, notes=("source",))
        show("")
