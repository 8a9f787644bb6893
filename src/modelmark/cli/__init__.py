"""The command line: one file per verb; torch is imported inside commands, so that ``--help`` answers at once."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer

from modelmark import __version__
from modelmark.cli.terminal import application, say, show
from modelmark.errors import ModelmarkError

_DISPUTE = (
    "identity", "claim", "bom", "deposit", "carriers", "ask", "challenge", "open", "judge", "explain", "revoke",
)  # fmt: skip
_COPIES = ("issue", "copies", "trace")
VERBS = (
    "demo", "schemes", "attacks", "rehearse", "keygen", "records", "embed", "verify", "certify", *_COPIES, "attack", "audit",
    "report", "desk", "inspect", "lineage",
    *_DISPUTE,
)  # fmt: skip
"""Commands in the order of ``--help``; each is a file."""


def _version(asked: bool) -> None:
    if asked:
        show(__version__)
        raise typer.Exit


def command_line(words: Sequence[str]) -> typer.Typer:
    """Return the command line; of the verbs the first word alone, if it is one: importing all takes longer than some run.

    Args:
        words: that were typed after the program's name.
    """
    made = application()
    made.callback()(_options)
    for verb in words[:1] if words and words[0] in VERBS else VERBS:
        made.command(verb)(importlib.import_module(f"modelmark.cli.{verb}").run)
    return made


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put an ownership watermark into a neural network, find it again, and turn the finding into evidence."""


def main() -> None:
    """Run a command; every refusal is one line on stderr and the exit status of ``modelmark.errors``."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for some in every installed package
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no command fetches a model
    sys.exit(_run())


@cache
def _command(verb: str) -> Callable[..., Any]:
    """Return what the first word starts; made once a process, as who runs many commands in one pays for it each time."""
    return typer.main.get_command(command_line([verb]))


def _run() -> int:
    try:
        status = _command(next((word for word in sys.argv[1:2] if word in VERBS), ""))(standalone_mode=False)
        return int(status or 0)
    except ModelmarkError as error:
        return _refuse(str(error), error.hint, error.exit_status)
    except OSError as error:
        return _refuse(f"expected to read and write where asked, got: {error.strerror or error}", "", 2)
    except Exception as error:
        if type(error).__name__ == "Abort":
            return _refuse("interrupted", "", 130)
        if hasattr(error, "format_message"):  # the command line's own usage errors
            text = str(error.format_message())
            if type(error).__name__ == "NoArgsIsHelpError":
                print(text, file=sys.stderr)  # noqa: T201
                return 2
            verb = next((f"modelmark {word} --help" for word in sys.argv[1:2] if word in VERBS), "modelmark --help")
            return _refuse(" ".join(text.split()), f"see {verb}", 2)
        if os.environ.get("MODELMARK_DEBUG"):
            raise
        text = f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return _refuse(text, "MODELMARK_DEBUG=1 shows where; please report it", 4)


def _refuse(text: str, hint: str, status: int) -> int:
    say(f"error: {text}")
    if hint:
        say(f"hint: {hint}")
    return status
