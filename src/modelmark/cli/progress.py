"""How far long work is: a bar on a terminal, and where there is none a line each tenth."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from modelmark.cli.terminal import say

if TYPE_CHECKING:
    from modelmark.training.loop import Progress


class Count(Protocol):
    """Says how many are done, of how many; and in which of several runs, where that is known."""

    def __call__(self, done: int, total: int, number: int = 0) -> None: ...  # noqa: D102


class Step(Protocol):
    """Says how far training is; and in which of several runs, where that is known."""

    def __call__(self, now: "Progress", number: int = 0) -> None: ...  # noqa: D102


@contextmanager
def progress(title: str, runs: str = "") -> Iterator[Step]:
    """Show how far training is, as ``meter`` does; yields what to call after each step."""
    with meter(title, runs) as count:

        def step(now: "Progress", number: int = 0) -> None:
            if now.epoch_ended or now.step % 8 == 0:
                count(now.step, now.steps, number)

        yield step


@contextmanager
def meter(title: str, runs: str = "") -> Iterator[Count]:
    """Show a bar with the time left; where there is no terminal a line each tenth, the first as soon as there is an estimate.

    Yields what to call with how many are done, of how many; a new total, or fewer done than before, is another run.

    Args:
        title: of what is done.
        runs: what each of several runs is called, such as ``round``; nobody knows how many there will be. Empty: there is one.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(title, runs=runs)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        bar, run = bars.add_task(title, total=None), Runs(title, runs)

        def count(done: int, total: int, number: int = 0) -> None:
            if run.begins(done, total, number):
                bars.reset(bar, total=total, completed=done, description=run.title)
            bars.update(bar, completed=done)

        yield count


class Runs:
    """Which of several runs it is, and what it is called."""

    def __init__(self, title: str, called: str) -> None:
        self._title, self._called = title, called
        self._done, self._total, self._number = 0, 0, 0

    def begins(self, done: int, total: int, number: int) -> bool:
        """Return whether this is the first that is heard of a run: a new total, or fewer done than before."""
        begins = total != self._total or done < self._done
        self._number = number or self._number + begins
        self._done, self._total = done, total
        return begins

    @property
    def title(self) -> str:
        """Of the run."""
        return f"{self._title}, {self._called} {self._number}" if self._called else self._title


class Lines:
    """Progress as lines of a log; what is over soon says nothing.

    Args:
        title: of what is done.
        clock: seconds, from anywhere.
        quiet: seconds in which nothing is said.
        runs: see ``meter``; the time left is that of the run.
    """

    def __init__(
        self, title: str, clock: Callable[[], float] = time.monotonic, *, quiet: float = 5.0, runs: str = ""
    ) -> None:
        self._run, self._clock, self._quiet = Runs(title, runs), clock, quiet
        self._left = "left of it" if runs else "left"
        self._begun, self._from, self._said = clock(), 0, -1

    def __call__(self, done: int, total: int, number: int = 0) -> None:
        """Say how far it is, if that is a tenth more than was said last."""
        now = self._clock()
        if self._run.begins(done, total, number):
            self._begun, self._from, self._said = now, done, -1
        spent, tenth = now - self._begun, 10 * done // total
        if spent < self._quiet or tenth <= self._said or done == self._from:
            return
        self._said = tenth
        left = f", about {_duration(spent * (total - done) / (done - self._from))} {self._left}" if done < total else ""
        say(f"{self._run.title}: {100 * done // total} %{left}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
