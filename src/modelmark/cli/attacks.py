"""``modelmark attacks``: what a mark can be tried against."""

import inspect
from itertools import groupby
from typing import Annotated

import typer

from modelmark.cli.options import Json
from modelmark.cli.terminal import show


def run(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="one attack, in full")] = "", json: Json = False
) -> None:
    """List the attacks by kind and family, their sources and what can be set; or say all about one."""
    from modelmark.attacks import ATTACKS, attack_class
    from modelmark.attacks.base import KINDS
    from modelmark.cli.listing import print_rows, settings

    if name and not json:
        _one(name)
        return
    classes = {name: attack_class(name) for name in ([name] if name else ATTACKS)}
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


def _one(name: str) -> None:
    """Show what an attack does, where it is from, what can be set and to what, and the settings of sweeps."""
    from modelmark.attacks import attack_class, fields
    from modelmark.cli.listing import given

    cls = attack_class(name)
    show(f"{name}: {cls.kind}, {cls.family}\n\n{inspect.getdoc(cls)}\n")
    described = fields.described(cls)
    settings = [given({field.name: field.default}) for field in described]
    width = max((len(each) for each in settings), default=0)
    for each, field in zip(settings, described, strict=True):
        show(f"{each:{width}}  {field.about}" + f" ({field.range})" * bool(field.range))
    if not settings:
        show("nothing to set")
    show("")
    for strength in cls.strengths:
        show(f"sweeps: {given(strength) or 'the defaults'}")
