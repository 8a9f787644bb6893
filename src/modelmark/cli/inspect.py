"""``modelmark inspect``: what a file shows without its passphrase."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Json
from modelmark.cli.terminal import say, show


def run(file: Annotated[Path, typer.Argument(metavar="FILE", help="a key file")], json: Json = False) -> None:
    """Show what a key file says openly: its scheme, fingerprint and date."""
    from dataclasses import asdict
    from json import dumps

    from modelmark import keyfile

    header = asdict(keyfile.inspect(file))
    if json:
        show(dumps({"type": "modelmark.key", "v": keyfile.VERSION, **header}))
        return
    if header["encrypted"]:
        say("shown as it stands: only the passphrase proves that the header was not changed")
    for name, value in header.items():
        show(f"{name:12} {str(value).lower() if isinstance(value, bool) else value}")
