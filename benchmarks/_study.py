"""What every study shares: rows as JSON lines, skipped where they exist, with versions, seeds and CPU seconds."""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import modelmark
from modelmark import data, hashing
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.key.secret import Secret
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Unread
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import Task, accuracy


class Rows:
    """An append-only file of measurements; a row that is there already is not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text().splitlines()]

    def measure(self, cell: dict[str, Any], measurement: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the row of ``cell``, measured now unless the file has it."""
        for row in self.rows:
            if all(row.get(name) == value for name, value in cell.items()):
                return row
        started = time.process_time()
        result = measurement()
        row = {
            **cell,
            **result,
            "cpu_s": round(time.process_time() - started, 1),
            "threads": torch.get_num_threads(),
            "versions": {
                "modelmark": modelmark.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }
        self.rows.append(row)
        with self._path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(json.dumps({name: value for name, value in row.items() if name != "versions"}), flush=True)
        return row


def command(
    description: str, name: str, study: Callable[[Rows, Task, int], None], table: Callable[[Rows], None]
) -> None:
    """Run a study of one data set over several seeds, or print the table of its rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", nargs="?", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"benchmarks/results/{name}.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="print the table of rows already measured")
    arguments = parser.parse_args()
    rows = Rows(arguments.output)
    if not arguments.table:
        torch.set_num_threads(1)
        task = Task.from_dataset(data.load(arguments.data))
        for seed in arguments.seeds:
            study(rows, task, seed)
    table(rows)


def secret(*parts: object) -> Secret:
    """Return a secret that anybody can repeat: good for studies, useless for evidence."""
    return Secret(hashing.digest("benchmark", "/".join(map(str, parts)).encode()))


def readings(mark: Mark, models: dict[str, torch.nn.Module], task: Task) -> dict[str, Any]:
    """Return accuracy and reading of each model, by name."""
    return {name: {"accuracy": accuracy(model, task), **reading(mark, model)} for name, model in models.items()}


def reading(
    mark: Mark, model: torch.nn.Module, *, align_to: torch.nn.Module | None = None, also: Sequence[Unread] = ()
) -> dict[str, Any]:
    """Return a mark's reading of a model as plain numbers; ``also`` are other ways that are charged and stand elsewhere."""
    found = mark.weigh([*mark.readings(WhiteBox(model), align_to=align_to), *also])
    numbers: dict[str, Any] = {"matches": found.matches, "trials": found.trials, "verdict": found.verdict}
    if isinstance(found, Evidence):
        numbers |= {"gross_bits": round(found.gross_bits, 1), "net_bits": round(found.net_bits, 1)}
    if isinstance(found, Observation):
        numbers |= {"reason": found.reason}
    return numbers
