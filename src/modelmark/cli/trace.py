"""``modelmark trace``: whose copies a suspect was made of."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.arguments import told_apart
from modelmark.cli.options import Arch, Base, Bits, Json, PassphraseFile, Suspect, Tried
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.registries import Database, RegistryFile
from modelmark.cli.terminal import show
from modelmark.cli.views import View
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR

if TYPE_CHECKING:
    from modelmark.copies.tracing import Trace

_OTHERS = 5
_COLUMNS = 40  # of a name in the table; --json has it whole


def run(
    named: Annotated[
        list[Path],
        typer.Argument(metavar="KEY... SUSPECT", help="with which the copies were issued; a file or a folder"),
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

    Of several keys the suspect is read once for each, and all recipients of all of them are charged. Everybody is named whose
    bits, less log2 of all who were tested and of all readings, reach the bar: with chance 2^-bar at most is anybody named who has
    no part in the suspect.
    """
    from json import dumps

    from modelmark.cli import papers, registries
    from modelmark.cli.loading import load_key, require_bar
    from modelmark.copies.reading import Traced
    from modelmark.copies.tracing import told, weigh
    from modelmark.suspects.files import open_weights

    require_bar(bits)
    keys, suspect = told_apart(named, weights, "modelmark trace KEY... SUSPECT")
    if len(keys) > 1 and (registry is not None or database):
        raise UsageError(
            f"expected --registry or --database with one key, got {len(keys)} keys",
            hint="of several keys the registry of each lies beside it",
        )
    opened = [load_key(key, passphrase_file) for key in keys]
    if len({one.digest for one in opened}) < len(opened):
        raise UsageError("expected different keys, got the same one twice")
    marks = papers.marks(opened, papers.claimed(claim, deposit, authority), offline=offline)
    traced = [Traced.of(mark) for mark in marks]
    names = []
    for key, mark in zip(keys, marks, strict=True):
        known = registries.opened(key, registry, database)
        known.bind(str(mark.key.statement["root"]), mark.draw)
        names.append(known.recipients(mark.draw))
    tested = sum(map(len, names)) + len(keys)
    found = [
        weigh(mark, readings, recipients, bar=bits, suspects=suspects, others=tested - len(recipients) - 1)
        for mark, readings, recipients in zip(
            marks, View(open_weights(suspect, base), arch, align_to, None, ()).readings(traced), names, strict=True
        )
    ]
    if json:
        parts = [one.to_json() for one in found]
        together = {"type": "modelmark.traces", "v": 1, "bar": bits, "parts": parts}
        show(dumps(parts[0] if len(parts) == 1 else together))
    else:
        for key, one in zip(keys, found, strict=True):
            if len(keys) > 1:
                show(f"{key}:")
            _table(one, everyone=everyone)
        show(told(found))
    raise typer.Exit(0 if any(one.named for one in found) else 1)


def _table(found: "Trace", *, everyone: bool) -> None:
    """Show the recipients of a key, the clearest first."""
    from rich.cells import cell_len

    from modelmark.copies.tracing import listed

    shown = sum(row.named for row in found.rows)
    rows = found.rows if everyone else found.rows[: shown + _OTHERS]
    cells = [("recipient", "bits", "net", ""), *listed(rows)]
    names = [_cut(row[0]) for row in cells]
    width = max(map(cell_len, names))
    for name, (_, gross, net, verdict) in zip(names, cells, strict=True):
        show(f"{name}{' ' * (width - cell_len(name))}  {gross:>8}  {net:>8}  {verdict}".rstrip())
    if len(rows) < len(found.rows):
        show(f"and {len(found.rows) - len(rows)} more, none named: --all shows them")


def _cut(name: str) -> str:
    """Return a name as it fits into the table, where some letters take two columns."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= _COLUMNS:
        return name
    return set_cell_size(name, _COLUMNS - 1).rstrip() + "\N{HORIZONTAL ELLIPSIS}"
