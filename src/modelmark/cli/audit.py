"""``modelmark audit``: schemes against attacks, one JSON line per result, resumed where it stopped."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.progress import Lines
from modelmark.cli.terminal import say, show
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.audit.result import Result
    from modelmark.audit.run import Step

PROTOCOL = "ieee-3304"


def run(
    grid: Annotated[
        str, typer.Argument(metavar="GRID", help="quick, standard, full, FILE.toml or module:GRID (runs its code)")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="JSON lines; one that exists is gone on with")
    ],
    data: Annotated[str, typer.Option("--data", metavar="SPEC", help="instead of the grid's")] = "",
    arch: Annotated[
        str, typer.Option("--arch", metavar="NAME", help="instead of the grid's; or module:factory (runs its code)")
    ] = "",
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", min=0, max=2**32 - 1, help="instead of the grid's; repeatable")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="processes; 0: one per processor")] = 0,
    dask: Annotated[
        str, typer.Option("--dask", metavar="ADDRESS", help="a Dask scheduler whose machines see FILE's folder")
    ] = "",
    retry: Annotated[bool, typer.Option("--retry", help="measure failed cells again")] = False,
    protocol: Annotated[
        str,
        typer.Option("--protocol", metavar="NAME", help="ieee-3304: judge unmarked networks too, and show its tables"),
    ] = "",
    payloads: Annotated[
        int, typer.Option("--payloads", min=0, help="keys put into a copy of each unmarked network; 0: the grid's")
    ] = 0,
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="how marks go in: whole, or default, as embed does it")
    ] = "",
) -> None:
    """Mark, attack, read: every scheme of a grid against every attack, over its seeds.

    Interrupted at any moment, the same command goes on; trained networks are kept in FILE.nets until you delete it.
    modelmark report makes a page of the results. With --protocol ieee-3304 every mark is also read in the unmarked networks,
    which doubles the work, and the standard's tables are shown: M networks by --seed, D payloads by --payloads.
    """
    from modelmark.audit import grid as grids
    from modelmark.audit.run import run as run_audit
    from modelmark.errors import UsageError

    if protocol not in ("", PROTOCOL):
        raise UsageError(f"expected --protocol {PROTOCOL} or none, got {protocol!r}")
    typed = {
        "data": data, "arch": arch, "seeds": tuple(seeds or ()), "payloads": payloads, "control": protocol == PROTOCOL,
        "recipe": recipe,
    }  # fmt: skip
    chosen = grids.load(grid, **{name: value for name, value in typed.items() if value})
    if not chosen.data:
        raise UsageError(f"expected data for the grid {grid}, got none", hint="name it: --data idx:DIR, ...")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped like a person would, workers and all
    try:
        with _bar() as watch:
            results = run_audit(chosen, output, jobs=jobs or os.cpu_count() or 1, dask=dask, retry=retry, watch=watch)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on with the cells that are missing")
        raise typer.Exit(130) from None
    own = [result for result in results if result.setup == chosen.setup]
    beside = f", and {len(results) - len(own)} of other grids" if len(own) < len(results) else ""
    say(f"{output}: {len(own)} row{'s' if len(own) != 1 else ''}{beside}, {time.perf_counter() - started:.0f} s")
    if protocol:
        from modelmark.report import ieee3304
        from modelmark.report.rows import load

        show(ieee3304.tables(load([output]), chosen.setup))
    else:
        show("\n".join(_summary(own)))


@contextlib.contextmanager
def _bar() -> Iterator[Callable[["Step"], None]]:
    """Show rows done, what was finished last and the time left; where there is no terminal a line each tenth."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("networks", total=None)
        lines = None if console.is_terminal else Lines("audit")

        def watch(step: "Step") -> None:
            if not step.doing and step.done < step.total:
                there = counted(step.total, "row is", "rows are")
                say(f"{step.done} of {there} there; networks that are missing are trained first")
            bars.update(bar, completed=step.done, total=step.total, description=step.doing)
            if lines is not None:
                lines(step.done, step.total)

        yield watch


def _summary(results: list["Result"]) -> list[str]:
    """Return for every scheme what an unmarked network reads, and which attacks removed its mark at a price a thief would pay."""
    from modelmark.report.labels import clean

    lines = []
    for scheme in dict.fromkeys(result.scheme for result in results):
        own = [result for result in results if result.scheme == scheme]
        lines += _alike(clean(scheme), own)
        judged = {result.attack for result in own if result.removed is not None}
        fell = sorted({result.attack for result in own if result.succeeded})
        refused = next((r.reason for r in own if r.marked is None and r.status == "refused"), "")
        if not judged:
            lines.append(
                f"{clean(scheme)}: " + (f"no mark to attack: {clean(refused)}" if refused else "no attack met its mark")
            )
            continue
        without = {result.seed for result in own if result.marked is None and result.status == "refused"}
        price = "5 % of perplexity" if own[0].perplexity else "5 points of accuracy"
        seeds = f"; no mark to attack in {len(without)} of {len({r.seed for r in own})} seeds" if without else ""
        lines.append(f"{clean(scheme)}: removed by {len(fell)} of {len(judged)} attacks at no more than {price}{seeds}")
        lines += [f"  {clean(', '.join(fell), 2000)}"] if fell else []
    failed = [result for result in results if result.status == "failed"]
    return lines + [clean(f"failed: {r.scheme} x {r.attack}: {r.reason}", 400) for r in failed]


def _alike(scheme: str, own: list["Result"]) -> list[str]:
    """Return one line of what a scheme's marks read in unmarked networks of the same make; the most where there are several."""
    from modelmark.audit.result import INDEPENDENT
    from modelmark.report.labels import ALIKE

    alone = [result.after for result in own if result.kind == INDEPENDENT and result.after]
    if not alone:
        return []
    found = sum(reading["verdict"] == "established" for reading in alone)
    most = max(alone, key=lambda reading: reading["matches"] / reading["trials"])
    said = f"at most, {found} of {len(alone)} established" if len(alone) > 1 else most["verdict"]
    return [f"{scheme}: {ALIKE}: {most['matches']} of {most['trials']} {said}"]
