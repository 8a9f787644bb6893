"""``modelmark copies``: who has a copy of their own."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Json
from modelmark.cli.registries import Database, RegistryFile
from modelmark.cli.terminal import show


def run(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="whose copies; it is not opened")],
    registry: RegistryFile = None,
    database: Database = "",
    json: Json = False,
) -> None:
    """List the copies that modelmark issue wrote with a key, a line each: recipient, date, SHA-256 of the file, draw."""
    from json import dumps

    from modelmark.cli import registries

    known = registries.opened(key, registry, database)
    for copy in known.copies():  # as they come: there may be thousands
        show(dumps(vars(copy)) if json else f"{copy.date}  {copy.digest}  {copy.draw}  {copy.recipient}")
