"""What studies of a paper at its size share: arguments, trained networks that are kept, rows with their seconds by the clock."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _study import Rows, reading, secret
from modelmark import data
from modelmark.marks.embedding import reach
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes.base import Scheme
from modelmark.suspects import weights
from modelmark.training.hooks import Composed
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task, accuracy


class Paper:
    """One study: its data on the device, its rows, its networks.

    Args:
        name: of the file of rows.
        given: what was typed.
    """

    def __init__(self, name: str, given: argparse.Namespace) -> None:
        torch.backends.cudnn.benchmark = True  # one size of batch
        torch.set_float32_matmul_precision("high")
        self.name, self.given, self.rows = name, given, Rows(given.output)
        self.here = Task.from_dataset(data.load(given.data))
        self.task = self.here.to(given.device)
        machine = "cpu" if given.device == "cpu" else torch.get_device_module(given.device).get_device_name()
        source = Path(given.data.partition(":")[2] or given.data).name
        self.place = {
            "arch": given.arch, "data": source, "seed": given.seed, "machine": machine, "epochs": given.epochs
        }  # fmt: skip
        given.keep.mkdir(parents=True, exist_ok=True)

    def fresh(self) -> nn.Module:
        """Return the untrained network, on the device."""
        feed = self.task.feed
        return build(self.given.arch, feed.input_shape, feed.classes, seed=self.given.seed).to(self.given.device)

    def mark(self, scheme: Scheme, *label: object, model: nn.Module | None = None, short: bool = False) -> Mark:
        """Return the mark of a key that anybody can repeat; ``short``: one that is too short for evidence, as the papers' are."""
        host = (model or self.fresh()).cpu()
        key = keygen(
            scheme, host, self.here.feed, task=self.here, secret=secret(self.name, self.given.seed, *label),
            policy=KeyPolicy(self_check=short),
        )  # fmt: skip
        return key.mark()

    def trained(
        self, start: nn.Module, marks: Sequence[Mark], recipe: Recipe, *, task: Task | None = None
    ) -> nn.Module:
        """Return a network trained with the hooks of marks."""
        seed = self.given.seed
        return fit(
            start, task or self.task, recipe, seed=seed,
            hooks=lambda copied: Composed(mark.hooks(copied, seed=seed) for mark in marks),
        )  # fmt: skip

    def network(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """Return a network that is trained once and kept: an interrupted study goes on from it."""
        given = self.given
        path = given.keep / f"{self.name}-{given.arch}-{name.replace(' ', '-')}-{given.epochs}-{given.seed}.safetensors"
        if not path.exists():
            weights.save(make(), path)
        model = self.fresh()
        weights.apply(model, weights.load(path), what=str(path))
        return model.eval()

    def row(self, cell: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> None:
        """Measure a row unless it is there, with the seconds that passed."""

        def timed() -> dict[str, Any]:
            started = time.perf_counter()
            return {**measure(), "wall_s": round(time.perf_counter() - started, 1)}

        self.rows.measure({**self.place, **cell}, timed)

    def read(self, mark: Mark, model: nn.Module) -> dict[str, Any]:
        """Return accuracy, margin and reading."""
        return {
            "accuracy": accuracy(model, self.task),
            "margin": round(reach(mark, model).margin, 3),
            **reading(mark, model),
        }


def arguments(
    description: str, name: str, arch: str, what: Sequence[str], epochs: int, *, attack_epochs: int = 20
) -> argparse.Namespace:
    """Return what was typed; the defaults are the paper's size."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("--what", nargs="+", choices=what, default=list(what))
    parser.add_argument("--arch", default=arch)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--attack-epochs", type=int, default=attack_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--keep", type=Path, default=Path("/tmp") / name, help="folder for trained networks")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"benchmarks/results/{name}.jsonl"))
    return parser.parse_args()
