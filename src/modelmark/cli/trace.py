"""``modelmark trace``: whose copies a suspect was made of."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.arguments import told_apart
from modelmark.cli.options import Arch, Base, Bits, Json, PassphraseFile, Suspect, Tried
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.registries import Database, RegistryFile
from modelmark.cli.terminal import show
from modelmark.cli.views import View
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR

_OTHERS = 5
_COLUMNS = 40  # of a name in the table; --json has it whole


def run(
    named: Annotated[
        list[Path],
        typer.Argument(metavar="KEY SUSPECT", help="with which the copies were issued; a file or a folder"),
    ],
    weights: Suspect = None,
    base: Base = None,
    arch: Arch = "",
    bits: Bits = BAR,
    suspects: Tried = 1,
    align_to: Annotated[
        Path | None,
        typer.Option(
            "--align-to", metavar="WEIGHTS", help="the unmarked host: reads far more, needed for mixed copies"
        ),
    ] = None,
    registry: RegistryFile = None,
    database: Database = "",
    everyone: Annotated[bool, typer.Option("--all", help="show every recipient, not the clearest alone")] = False,
    deposit: DepositFile = None,
    claim: ClaimOption = None,
    authority: Authorities = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="read a key that waits for a deposit as issue --offline used it")
    ] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Read a suspect once and test every recipient. Exit status 0 if somebody is named, 1 if not.

    Everybody is named whose bits, less log2 of all who were tested and of all readings, reach the bar: with chance 2^-bar at most
    is anybody named who has no part in the suspect.
    """
    from json import dumps

    from rich.cells import cell_len

    from modelmark.cli import papers, registries
    from modelmark.cli.loading import load_key, require_bar
    from modelmark.copies.reading import Traced
    from modelmark.copies.tracing import listed, weigh
    from modelmark.suspects.files import open_weights

    require_bar(bits)
    keys, suspect = told_apart(named, weights, "modelmark trace KEY SUSPECT")
    if len(keys) > 1:
        raise UsageError(f"expected one key, with which the copies were issued, got {len(keys)}")
    (key,) = keys
    opened = load_key(key, passphrase_file)
    (mark,) = papers.marks([opened], papers.claimed(claim, deposit, authority), offline=offline)
    traced = Traced.of(mark)
    known = registries.opened(key, registry, database)
    known.bind(str(opened.statement["root"]), mark.draw)
    recipients = known.recipients(mark.draw)
    (readings,) = View(open_weights(suspect, base), arch, align_to, None, ()).readings([traced])
    found = weigh(mark, readings, recipients, bar=bits, suspects=suspects)
    if json:
        show(dumps(found.to_json()))
    else:
        shown = sum(row.named for row in found.rows)
        rows = found.rows if everyone else found.rows[: shown + _OTHERS]
        cells = [("recipient", "bits", "net", ""), *listed(rows)]
        names = [_cut(row[0]) for row in cells]
        width = max(map(cell_len, names))
        for name, (_, gross, net, verdict) in zip(names, cells, strict=True):
            show(f"{name}{' ' * (width - cell_len(name))}  {gross:>8}  {net:>8}  {verdict}".rstrip())
        if len(rows) < len(found.rows):
            show(f"and {len(found.rows) - len(rows)} more, none named: --all shows them")
        show(str(found))
    raise typer.Exit(0 if found.named else 1)


def _cut(name: str) -> str:
    """Return a name as it fits into the table, where some letters take two columns."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= _COLUMNS:
        return name
    return set_cell_size(name, _COLUMNS - 1).rstrip() + "\N{HORIZONTAL ELLIPSIS}"
