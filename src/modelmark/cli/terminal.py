"""What a person sees and types: words on stderr, the passphrase."""

import getpass
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from modelmark.errors import CapacityWarning, MalformedError, PassphraseError

ENVIRONMENT = "MODELMARK_PASSPHRASE"
_LONGEST = 4000  # characters of a line
_LONGEST_SECRET = 65536  # bytes of a file with a passphrase


def application() -> typer.Typer:
    """Return an application without tracebacks or shell-completion options."""
    return typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def say(text: str) -> None:
    """Write one line for people; what names in files may hold beside letters is not sent to a terminal."""
    print(f"modelmark: {plain(text)}", file=sys.stderr)  # noqa: T201


def plain(text: str) -> str:
    """Return a line of text as a terminal may have it: what is no letter, and what is too long, is left out."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:_LONGEST]
    )


def show(text: str) -> None:
    """Write a result to stdout; a reader who has gone away is no verdict, so the exit status is 141 then."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Let the library's own warnings read as lines of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CapacityWarning)
        warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
        yield


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM stop what is done here as a person would, so that scratch files go."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def passphrase(path: Path | None, *, confirm: bool) -> str:
    """Return the passphrase: from ``--passphrase-file``, the environment, or a prompt.

    Args:
        path: of a file whose first line it is.
        confirm: ask twice, as for a new key.

    Raises:
        PassphraseError: none given and no terminal to ask at, an empty one, or two that differ.
        MalformedError: the file cannot be read.
    """
    if path is not None:
        try:
            with path.open("rb") as stream:  # which may be a pipe
                given = next(iter(stream.read(_LONGEST_SECRET).decode().splitlines()), "")
        except FileNotFoundError:
            raise MalformedError(f"expected a passphrase on the first line of {path}, found no such file") from None
        except OSError as error:
            reason = error.strerror or error
            raise MalformedError(
                f"expected a passphrase on the first line of {path}, cannot read it: {reason}"
            ) from None
        except UnicodeDecodeError:
            raise MalformedError(f"expected a passphrase on the first line of {path}, got no text") from None
    elif ENVIRONMENT in os.environ:
        given = os.environ[ENVIRONMENT]
    elif not sys.stdin.isatty():
        raise PassphraseError(
            "expected a passphrase, got none and no terminal to ask at",
            hint=f"use --passphrase-file FILE or {ENVIRONMENT}" + (", or --unencrypted" if confirm else ""),
        )
    else:
        given = getpass.getpass("Passphrase: ")
        if confirm and getpass.getpass("Again: ") != given:
            raise PassphraseError("expected the same passphrase twice, got two")
    if not given:
        raise PassphraseError("expected a passphrase, got an empty one")
    return given
