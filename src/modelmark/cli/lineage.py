"""``modelmark lineage``: whether a suspect has one origin with a network that was never marked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Arch, Bits, Data, Json, Tried
from modelmark.cli.terminal import say, show
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR

if TYPE_CHECKING:
    from modelmark.lineage.units import Units
    from modelmark.suspects.files import WeightFile

Unrelated = Annotated[
    list[Path] | None,
    typer.Option("--unrelated", metavar="WEIGHTS", help="a network trained apart, shown beside; may be repeated"),
]
Hidden = Annotated[
    list[str] | None,
    typer.Option("--hidden", metavar="LAYER", help="a layer whose outputs are hidden units of their own; repeated"),
]


def run(
    mine: Annotated[Path, typer.Argument(metavar="MINE", help="weights of your own")],
    suspect: Annotated[Path, typer.Argument(metavar="SUSPECT", help="weights as they were found")],
    arch: Arch = "",
    data: Data = "",
    hidden: Hidden = None,
    unrelated: Unrelated = None,
    bits: Bits = BAR,
    suspects: Tried = 1,
    json: Json = False,
) -> None:
    """Say whether hidden units of a suspect stand in the order of yours. Exit status 0 if they do, 1 if not.

    For networks of one architecture of which nothing was marked. Networks that were trained apart have an order of their own,
    so the test is exact. It does not say which of the two was first, nor whether both come from a third, as a public base.
    Whoever re-orders the units of a copy escapes it.
    """
    from json import dumps

    from modelmark.cli.loading import require_bar
    from modelmark.lineage.order import lineage
    from modelmark.suspects.files import open_weights

    require_bar(bits)
    own = open_weights(mine)
    orders = _orders(own, arch, data, hidden or [])
    found = lineage(own, open_weights(suspect), orders, suspects=suspects, bar=bits)
    beside = {str(path): lineage(own, open_weights(path), orders, bar=bits) for path in unrelated or ()}
    if json:
        show(dumps(found.to_json() | {"unrelated": {name: each.to_json() for name, each in beside.items()}}))
    else:
        show(str(found))
        for name, each in beside.items():
            show(f"beside, trained apart as you say: {name}: {str(each).removeprefix('lineage: ')}")
        if found.unread:
            say(f"not in the suspect in this size: {', '.join(found.unread[:3])}, {len(found.unread)} in all")
        if found.related:
            say(
                "one origin: one was made from the other, or both from a third: a public base, or one code and one seed"
            )
        else:
            say("nothing is said by that: trained apart, or units put in another order")
    raise typer.Exit(0 if found.related else 1)


def _orders(own: "WeightFile", arch: str, data: str, hidden: list[str]) -> "list[Units]":
    from modelmark.cli.loading import build_model, load_task
    from modelmark.lineage import units

    if bool(arch) != bool(data) or (arch and hidden):
        raise UsageError("expected --arch with --data and without --hidden, or neither")
    return units.of_network(build_model(arch, "", load_task(data).feed)) if arch else units.of_file(own, hidden)
