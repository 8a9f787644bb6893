"""``modelmark copies``: who has a copy of their own."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Json, PassphraseFile
from modelmark.cli.registries import Database, RegistryFile
from modelmark.cli.terminal import show


def run(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="whose copies")],
    registry: RegistryFile = None,
    database: Database = "",
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """List the copies that modelmark issue wrote with a key, a line each: recipient, date, SHA-256 of the file, draw."""
    from json import dumps

    from modelmark.cli import registries
    from modelmark.cli.loading import load_key
    from modelmark.copies.reading import require_spread

    opened = load_key(key, passphrase_file)
    require_spread(opened)
    known = registries.opened(key, registry, database)
    known.bind(str(opened.statement["root"]), None)
    for copy in known.copies():  # as they come: there may be thousands
        show(dumps(vars(copy)) if json else f"{copy.date}  {copy.digest}  {copy.draw}  {copy.recipient}")
