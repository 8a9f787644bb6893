"""The command line: one file per verb; torch is imported inside commands, so that ``--help`` answers at once."""

import os
import sys
from typing import Annotated

import typer

from modelmark import __version__
from modelmark.cli import attack, attacks, demo, embed, inspect, keygen, schemes, verify
from modelmark.cli.terminal import application, say, show
from modelmark.errors import ModelmarkError

app = application()
for _verb in (demo, schemes, attacks, keygen, embed, verify, attack, inspect):
    app.command(_verb.__name__.rpartition(".")[2])(_verb.run)


def _version(asked: bool) -> None:
    if asked:
        show(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put an ownership watermark into a neural network, find it again, and turn the finding into evidence."""


def main() -> None:
    """Run a command; every refusal is one line on stderr and the exit status of ``modelmark.errors``."""
    try:
        app()
    except ModelmarkError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"hint: {error.hint}")
        sys.exit(error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("MODELMARK_DEBUG"):
            raise
        say(f"error: unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        say("hint: MODELMARK_DEBUG=1 shows where; please report it")
        sys.exit(4)
