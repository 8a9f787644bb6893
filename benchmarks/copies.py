"""Copies for customers: who is named of those who put copies together, how often an innocent, and what it costs.

python benchmarks/copies.py collusion [SEED ...]  digits, cnn: 1,000 recipients, 1 to 50 of them collude; some ten minutes a seed
python benchmarks/copies.py innocent [0 1 2 3]    10^6 simulated traces, a quarter of each suspect; some ten minutes
python benchmarks/copies.py growth                one reading beside a trace against 10 to 10,000 recipients
python benchmarks/copies.py issue                 a 256 MB file of bf16: sha256, embed, issue; seconds of processor and memory

Rows are appended to results/copies.jsonl; ``python benchmarks/tables.py docs/copies.md`` puts them on the page.
"""

import copy
import hashlib
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from _rows import RESULTS
from modelmark import data
from modelmark.copies import tallying, tracing
from modelmark.copies.dispersing import personal
from modelmark.copies.issuing import issue
from modelmark.copies.reading import Traced, for_recipient
from modelmark.copies.registry import Registry
from modelmark.evidence.tails import Bound
from modelmark.key.secret import Secret
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.marks.onfiles import imprint_file, keygen_for_file
from modelmark.models import build
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.files import open_weights
from modelmark.suspects.files.base import held
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.state import State
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

RECIPE = annealed(20, 0.05, batch=64, clip=1.0)
EVERYONE = [f"customer {number}" for number in range(1000)]
COLLUDERS = (1, 2, 5, 10, 20, 50)
BITS = (1024, 4096)
INNOCENTS, TRACES, BARS = 4, 250_000, (1, 2, 4, 8, 12, 16)


def _middle(values: Tensor) -> Tensor:
    ordered = values.sort(0).values
    return (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


WAYS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "mean": lambda values, _: values.mean(0),
    "median": lambda values, _: _middle(values),
    "mix": lambda values, g: values.gather(0, torch.randint(0, len(values), values.shape[1:], generator=g)[None])[0],
    "midrange": lambda values, _: (values.amax(0) + values.amin(0)) / 2,
    "least or largest": lambda values, g: torch.where(
        torch.rand(values.shape[1:], generator=g) < 0.5, values.amin(0), values.amax(0)
    ),
    "largest": lambda values, _: values.amax(0),
    "both ends less the median": lambda values, _: values.amin(0) + values.amax(0) - _middle(values),
}
"""What colluders who compare their copies make of the values of one weight, ``(copies, ...)``."""


def together(models: Sequence[nn.Module], way: str) -> nn.Module:
    """Return what colluders make of their copies."""
    made, generator = copy.deepcopy(models[0]), torch.Generator().manual_seed(0)
    states = [model.state_dict() for model in models]
    with torch.no_grad():
        for name, value in made.state_dict().items():
            value.copy_(WAYS[way](torch.stack([state[name] for state in states]), generator))
    return made


def hosted(seed: int, **settings: Any) -> tuple[Task, nn.Module, Mark]:
    """Return the data, a trained host, and a key's mark for it."""
    task = Task.from_dataset(data.load("digits"))
    host = fit(build("cnn", task.feed.input_shape, task.feed.classes, seed=seed), task, RECIPE, seed=seed)
    owner = Provenance(host=weights.digest(host.state_dict()))
    return (
        task,
        host,
        keygen(Spread(**settings), host, task.feed, secret=Secret(bytes([seed, 3]) * 16), owner=owner).mark(),
    )


def collusion(seed: int) -> Iterator[dict[str, Any]]:
    """Yield who is named at each number of colluders, way and number of bits."""
    task, host, _ = hosted(seed)
    owner = Provenance(host=weights.digest(host.state_dict()))
    beside = State(held(host.state_dict()))  # read against the host as a file is; nothing to be aligned
    for bits in BITS:
        key = keygen(Spread(bits=bits), host, task.feed, secret=Secret(bytes([seed, 3]) * 16), owner=owner)
        for kind, make in (("issue", personal), ("embed", imprint)):
            if kind == "embed" and bits != BITS[0]:
                continue  # pushes of one size, for comparison
            models = [make(host, for_recipient(key.mark(), name)) for name in EVERYONE[: COLLUDERS[-1]]]
            lost = 100 * (accuracy(host, task) - float(np.mean([accuracy(model, task) for model in models])))
            blind = tracing.trace(key.mark(), WhiteBox(models[0]), EVERYONE).rows[0]
            yield {"part": "copies", "seed": seed, "bits": bits, "kind": kind, "points_lost": lost,
                   "named_without_host": blind.named and blind.recipient == EVERYONE[0],
                   "bits_without_host": blind.gross_bits}  # fmt: skip
            for count in COLLUDERS:
                for way in WAYS if count > 1 else ("mean",):
                    stolen = together(models[:count], way)
                    found = tracing.trace(key.mark(), WhiteBox(stolen), EVERYONE, align_to=beside)
                    guilty = {row.recipient: row for row in found.rows if row.recipient in EVERYONE[:count]}
                    yield {"part": "collusion", "seed": seed, "bits": bits, "kind": kind, "colluders": count, "way": way,
                           "named": sum(row.named for row in guilty.values()),
                           "innocents_named": len(found.named) - sum(row.named for row in guilty.values()),
                           "named_without_host": len(tracing.trace(key.mark(), WhiteBox(stolen), EVERYONE).named),
                           "fewest_bits": min(row.gross_bits for row in guilty.values()),
                           "accuracy": 100 * accuracy(stolen, task)}  # fmt: skip


def innocent(which: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield how often an innocent is named in simulated traces, of suspects nobody has a part in and of others' copies."""
    task, host, mark = hosted(0)
    tuned = fit(host, task, annealed(2, 0.01, batch=64, clip=1.0), seed=5)
    models = [personal(host, for_recipient(mark, name)) for name in EVERYONE[:10]]
    suspects = {
        "unmarked, fine-tuned": (tuned, 0),
        "one other's copy": (models[0], 1),
        "mean of two others' copies": (together(models[:2], "mean"), 2),
        "mean of ten others' copies": (together(models, "mean"), 10),
    }
    for number, (name, (suspect, guilty)) in enumerate(suspects.items()):
        if number not in which:
            continue
        rng = np.random.default_rng(number)
        readings = Traced.of(mark).readings(WhiteBox(suspect), align_to=State(held(host.state_dict())))
        tables = [table.table for reading in readings for table in getattr(reading, "scores", ())]
        sums = [(table[:, 1] - table[:, 0]).astype(float) for table in tables]
        tried = len(tables) + sum(not hasattr(reading, "scores") for reading in readings)
        known = tracing.messages(mark, EVERYONE[:guilty])[1:]
        paid = sum(charge.bits for charge in tracing.charged(INNOCENTS + guilty + 1, tried))
        looks = {bar: looked(sums, known, paid + bar) for bar in BARS}
        numbers, allowed = laid(looks)
        hits, checked = dict.fromkeys(BARS, 0), 0
        for start in range(0, TRACES, 1000):
            drawn = rng.integers(0, 256, (1000, INNOCENTS + 1, known.shape[1]), np.uint8)
            lacking = lacks(numbers, drawn)
            for bar in BARS:
                found = (lacking <= allowed[bar]).any(axis=(1, 2))
                hits[bar] += int(found.sum())
                if start == 0:
                    checked += same(sums, known, drawn[:100], paid + bar, found[:100])
        for bar in BARS:
            yield {"part": "innocent", "suspect": name, "bar": bar, "traces": TRACES, "innocents": INNOCENTS + 1,
                   "named": hits[bar], "stated": 2.0**-bar, "checked": checked}  # fmt: skip


def looked(sums: list[tallying.Reals], known: tallying.Packed, needed: float) -> list[tuple[Any, float]]:
    """Return the tables of all looks of a trace that names no innocent, each with the most that may be lacking at it."""
    named, found = np.zeros(len(known), bool), []
    for _ in range(tallying.LOOKS):
        out = tallying.signs(known[named], len(sums[0]))
        tables = [tallying.graded(tallying.without(each, out)) for each in sums]
        for table in tables:
            bound = Bound.of(np.stack([np.maximum(-table, 0), np.maximum(table, 0)], axis=1))
            low, high = -1, int(np.abs(table).sum())
            while low < high:  # the largest whole number whose bits are enough
                middle = (low + high + 1) // 2
                enough = bound.bits(np.array([float(middle)]))[0] >= needed
                low, high = (middle, high) if enough else (low, middle - 1)
            found.append((table, float(low)))
        fresh = ~named & (tallying.reached(tables, known) >= needed)
        if not fresh.any():
            break
        named |= fresh
        if named.all():
            continue
    return found


def laid(looks: dict[int, list[tuple[Any, float]]]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return all tables once, ``(T, tables)``, and how much may be lacking at each, by bar: below 0 where not looked at."""
    once = {table.tobytes(): table for found in looks.values() for table, _ in found}
    places = {name: place for place, name in enumerate(once)}
    allowed = {bar: np.full(len(once), -1.0) for bar in looks}
    for bar, found in looks.items():
        for table, most in found:
            allowed[bar][places[table.tobytes()]] = most
    return np.stack([*once.values()], axis=1).astype(float), allowed


def lacks(numbers: np.ndarray, drawn: tallying.Packed) -> np.ndarray:
    """Return what each message lacks of the most at each table, ``(traces, innocents, tables)``."""
    flat = drawn.reshape(-1, drawn.shape[2])
    found = [
        (np.abs(numbers).sum(axis=0) - tallying.signs(flat[part], len(numbers)) @ numbers) / 2
        for part in tallying.blocks(len(flat), len(numbers))
    ]
    return np.concatenate(found).reshape(*drawn.shape[:2], -1)


def same(sums: Any, known: tallying.Packed, drawn: tallying.Packed, needed: float, found: np.ndarray) -> int:
    """Require that the product decides likewise, and return for how many traces it was asked."""
    for messages, expected in zip(drawn, found, strict=True):
        made = tallying.tally(sums, np.concatenate([known, messages]), needed=needed)
        assert made.named[len(known) :].any() == expected
    return len(drawn)


def growth() -> Iterator[dict[str, Any]]:
    """Yield the processor time of one reading, and of traces of the same suspect, in one run."""
    with tempfile.TemporaryDirectory() as folder:
        _, host, _ = hosted(0)
        weights.save(host, Path(folder) / "cnn")
        large(Path(folder) / "large")
        for name in ("cnn", "large"):
            plain = Path(folder) / name
            mark = keygen_for_file(Spread(), open_weights(plain)).mark()
            imprint_file(plain, plain.with_suffix(".copy"), [for_recipient(mark, "customer 0")])
            suspect, beside = State(open_weights(plain.with_suffix(".copy"))), State(open_weights(plain))
            for count in (10, 100, 1000, 10_000, 10, 100, 1000, 10_000):
                everyone = [f"customer {number}" for number in range(count)]
                start = time.process_time()
                readings = Traced.of(mark).readings(suspect, align_to=beside)
                read = time.process_time() - start
                found = tracing.weigh(mark, readings, everyone)
                whole = time.process_time() - start
                assert found.named == ["customer 0"]
                yield {"part": "growth", "suspect": name, "recipients": count, "reading_s": read, "trace_s": whole}


def large(path: Path) -> None:
    """Write 256 MB of bf16 in eight matrices."""
    generator = torch.Generator().manual_seed(0)
    state = {f"layers.{i}.weight": (0.02 * torch.randn(4096, 4096, generator=generator)).bfloat16() for i in range(8)}
    save_file(state, path)


def _hash(folder: Path) -> None:
    with (folder / "large").open("rb") as stream:
        hashlib.file_digest(stream, "sha256")


def _embed(folder: Path) -> None:
    mark = keygen_for_file(Spread(weights=2**24), open_weights(folder / "large"), secret=Secret(bytes(32))).mark()
    imprint_file(folder / "large", folder / "out", [mark])


def _issue(folder: Path) -> None:
    mark = keygen_for_file(Spread(weights=2**24), open_weights(folder / "large"), secret=Secret(bytes(32))).mark()
    issue(mark, "customer 0", folder / "large", folder / "out", Registry(folder / "s.copies", make=True))


def _key(folder: Path) -> None:
    keygen_for_file(Spread(weights=2**24), open_weights(folder / "large"), secret=Secret(bytes(32))).mark()


def _sha256sum(folder: Path) -> None:
    subprocess.run(["sha256sum", str(folder / "large")], check=True, capture_output=True)


def _spent(work: Callable[[Path], None], folder: Path, answer: Any) -> None:
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # the most memory so far is forgotten: it is that of the parent
    before, start = _memory(), time.process_time()
    work(folder)
    used = time.process_time() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer.put((used + children.ru_utime + children.ru_stime, _memory(), before))


def _memory() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def issuing() -> Iterator[dict[str, Any]]:
    """Yield processor time and memory of marking a file, each in a process of its own; both make the key, which is a row, too."""
    with tempfile.TemporaryDirectory() as name:
        folder, starting = Path(name), multiprocessing.get_context("spawn")
        large(folder / "large")
        for repeat in range(3):
            for work in (_key, _hash, _sha256sum, _embed, _issue):
                answer = starting.Queue()
                process = starting.Process(target=_spent, args=(work, folder, answer))
                process.start()
                used, memory, before = answer.get()
                process.join()
                for made in ("out", "s.copies"):
                    (folder / made).unlink(missing_ok=True)
                yield {"part": "issue", "repeat": repeat, "work": work.__name__[1:], "cpu_s": used, "peak_mb": memory,
                       "imports_mb": before}  # fmt: skip


def main(part: str, seeds: Sequence[int]) -> None:
    """Run a part and append its rows."""
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "collusion": lambda: (row for seed in seeds or (0, 1, 2) for row in collusion(seed)),
        "innocent": lambda: innocent(seeds or range(4)), "growth": growth, "issue": issuing,
    }  # fmt: skip
    with (RESULTS / "copies.jsonl").open("a") as file:
        for row in parts[part]():
            line = json.dumps(row)
            print(line, flush=True)
            file.write(line + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
