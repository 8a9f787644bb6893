"""What a person sees and types: words on stderr, progress bars on a terminal, the passphrase."""

import getpass
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from modelmark.errors import CapacityWarning, MalformedError, PassphraseError

if TYPE_CHECKING:
    from modelmark.training.loop import Progress

ENVIRONMENT = "MODELMARK_PASSPHRASE"
_LONGEST = 4000  # characters of a line


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
            given = path.read_text().splitlines()[0] if path.stat().st_size < 65536 else ""
        except (OSError, UnicodeDecodeError, IndexError):
            raise MalformedError(f"expected a passphrase on the first line of {path}, cannot read one") from None
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


@contextmanager
def progress(title: str) -> Iterator[Callable[["Progress"], None]]:
    """Show how far training is, as ``counted`` does; yields what to call after each step."""
    with counted(title) as count:

        def step(now: "Progress") -> None:
            if now.epoch_ended or now.step % 8 == 0:
                count(now.step, now.steps)

        yield step


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left; where there is no terminal a line each tenth, the first as soon as there is an estimate.

    Yields what to call with how many are done, of how many.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


class Lines:
    """Progress as lines of a log.

    What is over soon says nothing. A new total, or fewer done than before, is another run of the same.

    Args:
        title: of what is done.
        clock: seconds, from anywhere.
        quiet: seconds in which nothing is said.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic, *, quiet: float = 5.0) -> None:
        self._title, self._clock, self._quiet = title, clock, quiet
        self._begun, self._from, self._done, self._total, self._said = clock(), 0, 0, 0, -1

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is, if that is a tenth more than was said last."""
        now = self._clock()
        if total != self._total or done < self._done:
            self._begun, self._from, self._total, self._said = now, done, total, -1
        self._done = done
        spent, tenth = now - self._begun, 10 * done // total
        if spent < self._quiet or tenth <= self._said or done == self._from:
            return
        self._said = tenth
        left = spent * (total - done) / (done - self._from)
        say(f"{self._title}: {100 * done // total} %, about {_duration(left)} left")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
