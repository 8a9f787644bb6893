"""What the tables share: rows of the studies, and Markdown."""

import json
import statistics
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]
TITLES = {"mlp": "MNIST, mlp", "lenet5": "MNIST, LeNet-5", "resnet8": "CIFAR-10 (JPEG), resnet8"}


def rows(*names: str) -> list[Row]:
    """Return the rows of one or several studies; none where a study has not been run."""
    found = []
    for name in names:
        path = RESULTS / f"{name}.jsonl"
        found += _parsed(path, path.stat().st_mtime_ns) if path.exists() else ()
    return found


@lru_cache(maxsize=16)
def _parsed(path: Path, _: int) -> tuple[Row, ...]:
    """Return the rows of a file as it was then: a table asks for the same ones a hundred times."""
    return tuple(json.loads(line) for line in path.read_text().splitlines())


def markdown(header: list[str], body: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def each(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)


def percent(values: list[float]) -> str:
    """Return the mean accuracy and, in brackets, each seed's."""
    seeds = each(f"{100 * value:.2f}" for value in values)
    return f"{100 * statistics.mean(values):.2f} ({seeds})" if len(values) > 1 else seeds
