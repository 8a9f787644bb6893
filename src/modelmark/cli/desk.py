"""``modelmark desk``: a local page for people who do not type commands."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.terminal import say, show


def run(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="write results there; default: they go when the desk ends"),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free")] = 0,
    most: Annotated[
        float, typer.Option("--most", metavar="GIB", min=0.001, max=1024, help="GiB that may be dropped at a time")
    ] = 4,
    browser: Annotated[
        bool,
        typer.Option("--open", help="show it in your browser; other users of this machine may see the address then"),
    ] = False,
) -> None:
    """Serve a page on this machine: drop a verdict, a suspect and a key, a registry of copies, or an audit's results.

    The address that is shown has a secret part; whoever has it can use the desk. Nothing that is dropped is kept. Ctrl-C ends it.
    """
    from modelmark.cli.terminal import stopped_by_signals
    from modelmark.desk.serving import Place, serve

    place = Place(host, port, keep, int(most * 2**30))
    if not place.is_local:
        say(
            f"warning: whoever reaches {host} and has the address can use the desk, and nothing on the way is encrypted"
        )

    def ready(address: str) -> None:
        show(address)
        say("open this address in a browser; Ctrl-C ends the desk")
        if browser:
            import webbrowser

            webbrowser.open(address)

    with stopped_by_signals():
        serve(place, ready)
