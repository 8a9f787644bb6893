"""One cell: attack first, read afterwards, with a key that the attack never saw."""

import platform
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from torch import nn

import modelmark
from modelmark import options
from modelmark.attacks import attack_class
from modelmark.attacks.serving import answered, served
from modelmark.audit.grid import Entry, Grid
from modelmark.audit.naive import drawn_evidence, naive_rate
from modelmark.audit.prepare import Bench
from modelmark.audit.result import Accuracy, Cost, Reading, Result
from modelmark.errors import MissingPackageError, ModelmarkError
from modelmark.evidence import Evidence, Observation
from modelmark.marks import Mark
from modelmark.suspect import BlackBox, WhiteBox
from modelmark.task import Task, accuracy


@runtime_checkable
class LeavesMark(Protocol):
    """An attack that leaves a mark of the thief's own, which is read beside the owner's."""

    def mark(self, model: nn.Module, task: Task, *, seed: int) -> Mark:
        """Return the mark that the attack with these arguments embeds."""
        ...


@dataclass(frozen=True)
class Cell:
    """What one row of an audit measures.

    Args:
        scheme: with its settings.
        attack: name.
        settings: of the attack.
        strength: which of the attack's, from 0.
        seed: of everything but keys.
    """

    scheme: Entry
    attack: str
    settings: dict[str, Any]
    strength: int
    seed: int


def blank(
    cell: Cell, grid: Grid, *, status: Literal["done", "refused", "failed"] = "failed", reason: str = ""
) -> Result:
    """Return the row of a cell in which nothing was measured, or not yet."""
    kind = attack_class(cell.attack)
    return Result(
        cell.scheme.name, cell.attack, cell.settings, cell.strength, kind.kind, kind.family, "", grid.data, grid.arch,
        cell.seed, status, reason,
        versions={
            "modelmark": modelmark.__version__, "torch": torch.__version__, "python": platform.python_version()
        },
        machine={"processor": platform.machine(), "threads": torch.get_num_threads()},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        scheme_settings=cell.scheme.strengths[0],
        setup=grid.setup,
        limits=grid.limits,
    )  # fmt: skip


def measure(bench: Bench, cell: Cell) -> Result:
    """Return the row of one cell; what goes wrong in it is part of the row."""
    row = blank(cell, bench.grid)
    try:
        marked = bench.marked(cell.scheme)
        mark = bench.mark(cell.scheme)
        row = replace(
            row,
            access=mark.key.scheme.access,
            accuracy=Accuracy(bench.host_accuracy(), accuracy(marked, bench.owner)),
            marked=_read(mark, WhiteBox(marked, mark.key.interface.classes), bench),
            thief={"samples": len(bench.thief.train_inputs), "share": len(bench.thief.train_inputs) / bench.whole},
        )
        attack = _made(cell)
        reason = _inapplicable(attack, mark)
        if reason:
            return replace(row, status="refused", reason=reason)
        done = replace(_KINDS[attack.kind](bench, cell, mark, marked, attack, row), status="done")
        done.line()  # a number that is none, such as the score of a broken network, is a failure of this cell alone
        return done
    except MissingPackageError as error:
        return replace(row, status="failed", reason=f"{error}: {error.hint}")
    except ModelmarkError as error:
        return replace(row, status="refused", reason=str(error))
    except Exception as error:
        return replace(row, status="failed", reason=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _made(cell: Cell) -> Any:
    """Return the attack; one that concerns a scheme of the attacker's choice takes the owner's, unless told otherwise."""
    cls = attack_class(cell.attack)
    own = {"scheme": cell.scheme.name} if cell.scheme.name in cls.schemes else {}
    return options.make(cls, own | cell.settings)


def _inapplicable(attack: Any, mark: Mark) -> str:
    if attack.kind == "evasion" and mark.key.scheme.access == "white-box":
        return "the mark is read inside the network, which a filter leaves as it is"
    if attack.kind == "forgery" and mark.key.scheme.name not in attack.forges:
        return f"forges claims of {', '.join(attack.forges)}"
    return ""


def _removal(bench: Bench, cell: Cell, mark: Mark, marked: nn.Module, attack: Any, row: Result) -> Result:
    attacked, cost = _timed(bench, partial(attack, marked, bench.thief, seed=cell.seed))
    row = _after(bench, mark, attacked, row, cost)
    if not isinstance(attack, LeavesMark):
        return row
    theirs = attack.mark(marked, bench.thief, seed=cell.seed).evidence(
        WhiteBox(attacked, bench.thief.interface.classes)
    )
    return replace(row, thief={**row.thief, "evidence": theirs.to_json()})


def _collusion(bench: Bench, cell: Cell, mark: Mark, marked: nn.Module, attack: Any, row: Result) -> Result:
    copies = [marked, bench.marked(cell.scheme, copy=1)]
    attacked, cost = _timed(bench, partial(attack, copies, bench.thief, seed=cell.seed))
    return _after(bench, mark, attacked, row, cost)


def _evasion(bench: Bench, cell: Cell, mark: Mark, marked: nn.Module, attack: Any, row: Result) -> Result:
    def serve() -> Any:
        filtered = attack(served(marked), bench.thief, seed=cell.seed)
        return filtered, answered(filtered, bench.owner)

    (filtered, kept), cost = _timed(bench, serve)
    after = _reading(mark.evidence(BlackBox(filtered, mark.key.interface.classes)))
    return _kept(row, kept, after, cost)


def _forgery(bench: Bench, cell: Cell, mark: Mark, marked: nn.Module, attack: Any, row: Result) -> Result:
    forged, cost = _timed(bench, partial(attack, marked, bench.thief, seed=cell.seed))
    suspect = bench.host if attack.transfers else marked  # a claim that transfers is tried on a model never seen
    ours = drawn_evidence(forged, suspect, bench.thief.interface)
    naive = {"naive": naive_rate(forged, suspect, bench.thief.interface), "tries": forged.tries}
    return replace(row, forged=naive, after=_reading(ours), cost=cost)


def _detection(bench: Bench, cell: Cell, mark: Mark, marked: nn.Module, attack: Any, row: Result) -> Result:
    found, cost = _timed(bench, partial(attack, marked, bench.thief, seed=cell.seed))
    host = attack(bench.host, bench.thief, seed=cell.seed)
    return replace(row, finding={"marked": asdict(found), "host": asdict(host)}, cost=cost)


_KINDS = {
    "modification": _removal,
    "extraction": _removal,
    "collusion": _collusion,
    "evasion": _evasion,
    "forgery": _forgery,
    "detection": _detection,
}


def _after(bench: Bench, mark: Mark, attacked: nn.Module, row: Result, cost: Cost) -> Result:
    after = _read(mark, WhiteBox(attacked, mark.key.interface.classes), bench)
    return _kept(row, accuracy(attacked, bench.owner), after, cost)


def _kept(row: Result, kept: float, after: Reading, cost: Cost) -> Result:
    before = cast(Accuracy, row.accuracy)
    return replace(row, accuracy=replace(before, after=kept), after=after, cost=cost)


def _reading(found: Evidence | Observation) -> Reading:
    return cast(Reading, found.to_json())


def _read(mark: Mark, suspect: WhiteBox, bench: Bench) -> Reading:
    """Read as an owner would: a white-box mark aligned to the committed host too; what cannot be read matches nowhere."""
    align_to = bench.host if mark.key.scheme.access == "white-box" else None
    try:
        return _reading(mark.evidence(suspect, align_to=align_to))
    except ModelmarkError as unaligned:
        try:
            return _reading(mark.evidence(suspect))
        except ModelmarkError:
            return _reading(mark.unread(str(unaligned)))


def _timed(bench: Bench, run: Any) -> tuple[Any, Cost]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    return result, Cost(
        round(time.process_time() - cpu, 3), round(time.perf_counter() - wall, 3), round(bench.training_cpu_s, 3)
    )
