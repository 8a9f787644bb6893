"""``run``: the cells of a grid that a file does not have yet, each appended to it as soon as it is measured."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from modelmark.attacks import attack_class
from modelmark.audit import engines
from modelmark.audit.grid import Grid
from modelmark.audit.measure import Cell, blank, measure
from modelmark.audit.prepare import Bench
from modelmark.audit.result import BEGINNING, INDEPENDENT, Result, parse, read
from modelmark.errors import MalformedError, ModelmarkError, UsageError, WorkerDiedError

CONTROLLED = ("modification", "extraction")
"""Kinds of attacks that can be made on an unmarked network too."""
NETS = ".nets"
"""What the folder of trained networks beside a file of results is called: its name and this."""


@dataclass(frozen=True)
class Step:
    """Where an audit stands.

    Args:
        done: rows in the file.
        total: rows of the grid.
        doing: what was finished last, for people.
    """

    done: int
    total: int
    doing: str


def cells(grid: Grid) -> list[Cell]:
    """Return the cells of a grid: seeds outermost, so that what is shared is used while it is warm.

    Of every key the first cell has no attack: its mark is read in an unmarked network of the same make.
    """
    return [
        Cell(scheme, name, settings, strength, seed, payload)
        for seed in grid.seeds
        for scheme in grid.scheme_entries()
        for payload in range(grid.payloads)
        for name, settings, strength in [(INDEPENDENT, dict[str, Any](), 0), *_attacked(grid, payload)]
    ]


def _attacked(grid: Grid, payload: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield what the marked network of one key meets: an attack, its settings and their number."""
    for attack in grid.attack_entries():
        if not payload or attack_class(attack.name).kind in CONTROLLED:
            for strength, settings in enumerate(attack.strengths):
                yield attack.name, dict(settings), strength


def run(
    grid: Grid,
    output: Path,
    *,
    jobs: int = 1,
    dask: str = "",
    backend: str = "loky",
    retry: bool = False,
    watch: Callable[[Step], None] | None = None,
) -> list[Result]:
    """Measure what ``output`` lacks of ``grid`` and return all its results.

    A run that is killed at any moment loses at most the cells in progress: the same call goes on. A torn last line is cut
    off first.

    Args:
        grid: what to measure.
        output: JSON lines; made if absent. Networks are kept in a folder of its name with ``.nets`` after it.
        jobs: processes.
        dask: address of a Dask scheduler, which must see ``output``'s folder under the same path.
        backend: another joblib back end; see ``engines``.
        retry: measure failed cells again.
        watch: called after every step.

    Raises:
        MalformedError: ``output`` is there and holds something else.
        UsageError: it cannot be written, or another audit is writing it; there is no such architecture.
        MismatchError: the architecture is not one for this data.
    """
    if not dask:  # whose machines alone may have the data
        _bench(grid, grid.seeds[0], _folder(grid, output)).fresh()
    with _held(output):
        return _run(grid, output, jobs=jobs, dask=dask, backend=backend, retry=retry, watch=watch)


@contextmanager
def _held(output: Path) -> Iterator[None]:
    """Keep others from the file while an audit writes it; the system lets go of it when the process ends, however it does."""
    if output.is_dir():
        raise UsageError(f"expected a file for the rows, {output} is a folder")
    try:
        stream = output.open("ab")
    except OSError as error:
        raise UsageError(f"expected to write {output}, got: {error.strerror}") from None
    with stream:
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"expected {output} for this audit alone, another one is writing it") from None
        except OSError:  # a file system without locks
            pass
        yield


def _run(
    grid: Grid,
    output: Path,
    *,
    jobs: int,
    dask: str,
    backend: str,
    retry: bool,
    watch: Callable[[Step], None] | None,
) -> list[Result]:
    have = _opened(output)
    known = {result.cell for result in have if not (retry and result.status == "failed") and not _lacks(result, grid)}
    wanted = {blank(cell, grid).cell: cell for cell in cells(grid)}
    missing = {place: cell for place, cell in wanted.items() if place not in known}
    folder = _folder(grid, output)
    folder.mkdir(parents=True, exist_ok=True)
    total, done = len(wanted), len(wanted) - len(missing)

    def report(doing: str) -> None:
        if watch is not None:
            watch(Step(done, total, doing))

    each = partial(engines.each, jobs=jobs, dask=dask, backend=backend)
    report("")
    if missing:
        for stage in _shared(missing.values()):
            for doing in _trained(partial(_prepare, grid, folder), stage, each):
                report(doing)
    with output.open("ab") as stream:
        for result in _measured(grid, folder, missing, each):
            _append(stream.fileno(), result)
            done += 1
            report(f"{result.scheme} x {result.attack}")
    return read(output)[0]


def _lacks(result: Result, grid: Grid) -> bool:
    """Whether a row was measured without the control that the grid asks for."""
    return grid.control and result.status == "done" and result.kind in CONTROLLED and result.control is None


def _folder(grid: Grid, output: Path) -> Path:
    return output.with_name(output.name + NETS) / grid.setup


def _opened(output: Path) -> list[Result]:
    have, whole = read(output)
    torn = output.read_bytes()[whole:]
    if torn[: len(BEGINNING)] != BEGINNING[: len(torn)]:
        raise MalformedError(f"expected a file of results or a new one, {output} is something else")
    if torn:
        os.truncate(output, whole)
    return have


def _append(descriptor: int, result: Result) -> None:
    line = (result.line() + "\n").encode()
    try:
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    except OSError as error:
        hint = "rows so far are kept; make room, and the same command goes on"
        raise UsageError(f"expected to write a row, got: {error.strerror}", hint=hint) from None


def _shared(missing: Iterable[Cell]) -> list[list[tuple[int, Cell | str]]]:
    """Return what cells share, in stages: unmarked networks first, then marked ones."""
    hosts: list[tuple[int, Cell | str]] = [(seed, "host") for seed in dict.fromkeys(cell.seed for cell in missing)]
    alone = dict.fromkeys(cell.seed for cell in missing if cell.attack == INDEPENDENT)
    hosts += [(seed, INDEPENDENT) for seed in alone]
    marks = {(cell.seed, repr(cell.scheme), cell.payload): (cell.seed, cell) for cell in missing}
    return [hosts, list(marks.values())]


def _prepare(grid: Grid, folder: Path, item: tuple[int, Cell | str]) -> str:
    torch.set_num_threads(1)
    seed, cell = item
    bench = _bench(grid, seed, folder)
    if isinstance(cell, str):
        _ = bench.independent if cell == INDEPENDENT else bench.host
        return f"network of {'another seed beside' if cell == INDEPENDENT else 'seed'} {seed}"
    try:
        bench.marked(cell.scheme, copy=cell.payload)
    except ModelmarkError as error:
        return f"{cell.scheme.name} refused: {error}"
    except Exception as error:  # its cells meet it again, and say so in their rows
        return f"{cell.scheme.name} failed: {type(error).__name__}"
    return f"{cell.scheme.name} in network of seed {seed}"


def _trained(
    work: Callable[[Any], str], stage: Sequence[tuple[int, Cell | str]], each: Callable[..., Iterator[str]]
) -> Iterator[str]:
    """Yield what was trained; where a process dies, all are asked for again, each alone: most are kept by then."""
    try:
        yield from each(work, stage)
    except WorkerDiedError:
        for item in stage:
            try:
                yield next(engines.each(work, [item], jobs=2))
            except WorkerDiedError as error:  # its cells meet it again, and say so in their rows
                yield f"failed: {error}"


def _measured(
    grid: Grid, folder: Path, missing: Mapping[tuple[Any, ...], Cell], each: Callable[..., Iterator[str]]
) -> Iterator[Result]:
    """Yield a result for every cell; where a process dies, those in progress are tried again, each alone."""
    waiting = dict(missing)
    while waiting:
        try:
            for line in each(partial(_measure, grid, folder), list(waiting.values())):
                result = parse(line)
                del waiting[result.cell]
                yield result
        except WorkerDiedError:
            begun = [place for place, cell in waiting.items() if _started(folder, cell).exists()]
            for place in begun or list(waiting)[:1]:
                yield _alone(grid, folder, waiting.pop(place))


def _alone(grid: Grid, folder: Path, cell: Cell) -> Result:
    try:
        return parse(next(engines.each(partial(_measure, grid, folder), [cell], jobs=2)))
    except WorkerDiedError as error:
        _started(folder, cell).unlink(missing_ok=True)
        return blank(cell, grid, reason=f"{error} (killed, or out of memory)")


def _measure(grid: Grid, folder: Path, cell: Cell) -> str:
    torch.set_num_threads(1)
    started = _started(folder, cell)
    started.touch()
    result = measure(_bench(grid, cell.seed, folder), cell)
    started.unlink(missing_ok=True)
    return result.line()


def _started(folder: Path, cell: Cell) -> Path:
    name = hashlib.sha256(
        json.dumps([repr(cell.scheme), cell.attack, cell.settings, cell.seed, cell.payload]).encode()
    ).hexdigest()
    return folder / f"{name[:16]}.started"


_BENCHES: dict[tuple[str, int], Bench] = {}


def _bench(grid: Grid, seed: int, folder: Path) -> Bench:
    """Return the networks of one seed; a process keeps the last, so that data is read once."""
    place = (repr(grid) + str(folder), seed)
    if place not in _BENCHES:
        _BENCHES.clear()
        _BENCHES[place] = Bench(grid, seed, folder)
    return _BENCHES[place]
