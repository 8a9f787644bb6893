"""One cell: attack first, read afterwards, with a key that the attack never saw."""

import copy
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from torch import nn

import modelmark
from modelmark import hashing, options
from modelmark.attacks import attack_class
from modelmark.attacks.serving import answered, prompted, served
from modelmark.audit.grid import Entry, Grid
from modelmark.audit.naive import drawn_evidence, naive_rate
from modelmark.audit.prepare import Bench, Marked
from modelmark.audit.result import INDEPENDENT, Accuracy, Cost, Perplexity, Reading, Result
from modelmark.errors import MissingPackageError, ModelmarkError
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Unread
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import Task, accuracy, perplexity


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
        attack: name; ``INDEPENDENT``: none, an unmarked network of the same make is read.
        settings: of the attack.
        strength: which of the attack's, from 0.
        seed: of everything but keys.
        payload: which of the keys for this scheme and seed.
    """

    scheme: Entry
    attack: str
    settings: dict[str, Any]
    strength: int
    seed: int
    payload: int = 0


def blank(
    cell: Cell, grid: Grid, *, status: Literal["done", "refused", "failed"] = "failed", reason: str = ""
) -> Result:
    """Return the row of a cell in which nothing was measured, or not yet."""
    kind, family = (INDEPENDENT, "unmarked") if cell.attack == INDEPENDENT else _described(cell.attack)
    return Result(
        cell.scheme.name, cell.attack, cell.settings, cell.strength, kind, family, "", grid.data, grid.arch,
        cell.seed, status, reason,
        versions={
            "modelmark": modelmark.__version__, "torch": torch.__version__, "python": platform.python_version()
        },
        machine={"processor": platform.machine(), "threads": torch.get_num_threads()},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        scheme_settings=cell.scheme.strengths[0],
        setup=grid.setup,
        limits=grid.limits,
        payload=cell.payload,
        recipe=grid.recipe,
    )  # fmt: skip


def _described(attack: str) -> tuple[str, str]:
    cls = attack_class(attack)
    return cls.kind, cls.family


def measure(bench: Bench, cell: Cell) -> Result:
    """Return the row of one cell; what goes wrong in it is part of the row."""
    row = blank(cell, bench.grid)
    try:
        marked = bench.marked(cell.scheme, copy=cell.payload)
        mark = marked.mark
        before = bench.remembered(f"{marked.name}-before", partial(_before, bench, marked))
        row = replace(
            row,
            access=mark.key.access,
            accuracy=Accuracy(bench.host_accuracy, before["accuracy"]),
            perplexity=Perplexity(bench.host_perplexity, before["perplexity"]) if bench.is_causal else None,
            marked=before["reading"],
            thief={"samples": len(bench.thief.train_inputs), "share": len(bench.thief.train_inputs) / bench.whole},
        )
        if cell.attack == INDEPENDENT:
            return replace(_independent(bench, mark, row), status="done")
        attack = _made(cell)
        reason = _inapplicable(attack, mark)
        if reason:
            return replace(row, status="refused", reason=reason)
        done = replace(_Trial(bench, cell, mark, copy.deepcopy(marked.model), attack, row).measured(), status="done")
        done.line()  # a number that is none, such as the score of a broken network, is a failure of this cell alone
        return done
    except MissingPackageError as error:
        return replace(row, status="failed", reason=f"{error}: {error.hint}")
    except ModelmarkError as error:
        return replace(row, status="refused", reason=str(error))
    except Exception as error:
        return replace(row, status="failed", reason=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _before(bench: Bench, marked: Marked) -> dict[str, Any]:
    """Return what is measured of a marked network before any attack."""
    suspect = WhiteBox(marked.model)
    more = {"perplexity": perplexity(marked.model, bench.owner)} if bench.is_causal else {}
    return {"accuracy": accuracy(marked.model, bench.owner), "reading": _read(marked.mark, suspect, bench), **more}


def _independent(bench: Bench, mark: Mark, row: Result) -> Result:
    """Return the row with what the mark reads in a network that has nothing to do with the owner's but its make."""
    network = bench.independent
    after = replace(cast(Accuracy, row.accuracy), after=accuracy(network, bench.owner))
    told = row.perplexity and replace(row.perplexity, after=perplexity(network, bench.owner))
    return replace(row, accuracy=after, perplexity=told, after=_read(mark, WhiteBox(network), bench))


def _made(cell: Cell) -> Any:
    """Return the attack; one that concerns a scheme of the attacker's choice takes the owner's, unless told otherwise."""
    cls = attack_class(cell.attack)
    own = {"scheme": cell.scheme.name} if cell.scheme.name in cls.schemes else {}
    return options.make(cls, own | cell.settings)


def _inapplicable(attack: Any, mark: Mark) -> str:
    if attack.kind == "evasion" and mark.key.access == "white-box":
        return "the mark is read inside the network, which a filter leaves as it is"
    if attack.kind == "forgery" and mark.key.scheme.name not in attack.forges:
        return f"forges claims of {', '.join(attack.forges)}"
    return ""


@dataclass(frozen=True)
class _Trial:
    """An attack about to be made.

    Args:
        bench: what it shares with others.
        cell: what is asked.
        mark: the owner's.
        model: marked; the attacker's own copy.
        attack: with its settings.
        row: what is known so far.
    """

    bench: Bench
    cell: Cell
    mark: Mark
    model: nn.Module
    attack: Any
    row: Result

    def measured(self) -> Result:
        """Return the row with what the attack made of the mark."""
        match self.attack.kind:
            case "modification" | "extraction":
                return self._removal()
            case "collusion":
                attacked, cost = self._run([self.model, *self._beside()])
                return self._after(attacked, cost)
            case "evasion":
                return self._evasion()
            case "forgery":
                return self._forgery()
            case _:
                return self._detection()

    def _beside(self) -> list[nn.Module]:
        """Return what colluders have beside the stolen model: copies with other marks, or the base of all."""
        if self.attack.brings == "base":
            return [self.bench.base]
        copies = range(1, getattr(self.attack, "copies", 2))
        return [self.bench.marked(self.cell.scheme, copy=number).model for number in copies]

    def _removal(self) -> Result:
        attacked, cost = self._run(self.model)
        row = self._after(attacked, cost)
        if self.bench.grid.control:
            row = replace(row, control=self._control())
        if not isinstance(self.attack, LeavesMark):
            return row
        mark = self.attack.mark(self.model, self.bench.thief, seed=self.cell.seed)
        theirs = mark.evidence(WhiteBox(attacked))
        return replace(row, thief={**row.thief, "evidence": theirs.to_json()})

    def _control(self) -> dict[Literal["host", "after"], Reading]:
        """Read the mark where it is not: in the unmarked network, before the same attack and after it."""
        name = f"{self.bench.marked(self.cell.scheme, copy=self.cell.payload).name}-host"
        host = self.bench.host
        found = {"host": self.bench.remembered(name, lambda: _read(self.mark, WhiteBox(host), self.bench))}
        with suppress(ModelmarkError):  # what the marked network took, the unmarked one may refuse
            attacked, _ = self._run(copy.deepcopy(host))
            found["after"] = _read(self.mark, WhiteBox(attacked), self.bench)
        return cast(dict[Literal["host", "after"], Reading], found)

    def _evasion(self) -> Result:
        def serve() -> Any:
            filtered = self.attack(served(self.model, self.bench.thief.feed), self.bench.thief, seed=self.cell.seed)
            return filtered, answered(filtered, self.bench.owner)

        (filtered, kept), cost = _timed(self.bench, serve)
        asked = prompted(filtered) if self.bench.thief.feed.kind == "causal" else filtered
        after = _reading(self.mark.evidence(BlackBox(asked)))
        return self._kept(kept, after, cost)

    def _forgery(self) -> Result:
        forged, cost = self._run(self.model)
        # a transferable claim is tried on a model that the accuser never saw
        suspect = self.bench.host if self.attack.transfers else self.model
        ours = drawn_evidence(forged, suspect, self.bench.thief.feed)
        naive = {"naive": naive_rate(forged, suspect, self.bench.thief.feed), "tries": forged.tries}
        return replace(self.row, forged=naive, after=_reading(ours), cost=cost)

    def _detection(self) -> Result:
        found, cost = self._run(self.model)
        name = hashing.digest("finding", f"{self.cell.attack} {self.attack!r}".encode()).hex()[:16]
        host = self.bench.remembered(f"host-{name}", lambda: asdict(self._run(self.bench.host)[0]))
        return replace(self.row, finding={"marked": asdict(found), "host": host}, cost=cost)

    def _run(self, target: Any) -> tuple[Any, Cost]:
        return _timed(self.bench, partial(self.attack, target, self.bench.thief, seed=self.cell.seed))

    def _after(self, attacked: nn.Module, cost: Cost) -> Result:
        after = _read(self.mark, WhiteBox(attacked), self.bench)
        row = self._kept(accuracy(attacked, self.bench.owner), after, cost)
        if row.perplexity is None:
            return row
        return replace(row, perplexity=replace(row.perplexity, after=perplexity(attacked, self.bench.owner)))

    def _kept(self, kept: float, after: Reading, cost: Cost) -> Result:
        before = cast(Accuracy, self.row.accuracy)
        return replace(self.row, accuracy=replace(before, after=kept), after=after, cost=cost)


def _reading(found: Evidence | Observation) -> Reading:
    return cast(Reading, found.to_json())


def _read(mark: Mark, suspect: WhiteBox, bench: Bench) -> Reading:
    """Read as an owner would: a white-box mark aligned to the committed host too; what cannot be read matches nowhere."""
    align_to = bench.host if mark.key.access == "white-box" else None
    try:
        return _reading(mark.evidence(suspect, align_to=align_to))
    except ModelmarkError as unaligned:
        try:
            return _reading(mark.evidence(suspect))
        except ModelmarkError:
            return _reading(mark.weigh([Unread(str(unaligned))]))


def _timed(bench: Bench, run: Any) -> tuple[Any, Cost]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    return result, Cost(
        round(time.process_time() - cpu, 3), round(time.perf_counter() - wall, 3), round(bench.training_cpu_s, 3)
    )
