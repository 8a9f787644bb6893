"""CIFAR-10 (re-encoded as JPEG, lossy) from nothing with two marks, by the clock, and what marks add to an epoch.

Wants a GPU: ``python benchmarks/minute.py images:cifar10-jpeg.tar.xz``. Not run on one yet. Aimed at: 93 % of accuracy, 100
triggers and a ``spread`` mark in 60 seconds, from the first step to the last reading, data in memory; a marked epoch within 1 %
of a plain one. Rows that are there are not measured again, so that a run that was stopped goes on. On any machine
``digits --arch cnn --epochs 40 --batch 64 --peak 0.05 --device cpu`` shows that it runs.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _study import Rows, reading, secret
from modelmark import data
from modelmark.marks.embedding import reach
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.spread import Spread
from modelmark.training.hooks import Composed
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, annealed
from modelmark.training.task import Task, accuracy


def trained(fresh: nn.Module, marks: Sequence[Mark], task: Task, recipe: Recipe, seed: int) -> nn.Module:
    return fit(
        fresh, task, recipe, seed=seed, hooks=lambda copied: Composed(mark.hooks(copied, seed=seed) for mark in marks)
    )


def from_nothing(fresh: nn.Module, adi: Mark, spread: Mark, task: Task, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return accuracy and readings of a network trained with triggers and then given its signs, and the time of all of it."""
    settled(task)
    started = time.perf_counter()
    marked = imprint(trained(fresh, [adi], task, recipe, seed), spread)
    found = {"adi": reading(adi, marked), "spread": reading(spread, marked), "accuracy": accuracy(marked, task)}
    settled(task)
    return {"wall_s": round(time.perf_counter() - started, 1), **found, "margin": round(reach(adi, marked).margin, 3)}


def epochs(fresh: nn.Module, adi: Mark, task: Task, recipe: Recipe, seed: int, rounds: int) -> dict[str, Any]:
    """Return seconds of a plain and a marked epoch, and of a plain one again: medians of rounds side by side."""
    one = replace(recipe, epochs=1)
    took: dict[str, list[float]] = {"plain": [], "adi": [], "control": []}
    for _ in range(rounds + 1):
        for name, marks in (("plain", []), ("adi", [adi]), ("control", [])):
            settled(task)
            started = time.perf_counter()
            trained(fresh, marks, task, one, seed)
            settled(task)
            took[name].append(time.perf_counter() - started)
    pairs = {name: list(zip(took[name], took["plain"], strict=True))[1:] for name in ("adi", "control")}
    shares = {name: sorted(own / plain for own, plain in each) for name, each in pairs.items()}
    return {
        "plain_s": round(sorted(took["plain"][1:])[rounds // 2], 3),
        **{name: round(each[rounds // 2], 4) for name, each in shares.items()},
    }


def settled(task: Task) -> None:
    """Wait for what the accelerator was told to do."""
    if (device := task.train_inputs.device).type != "cpu":
        torch.get_device_module(device).synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--peak", type=float, default=0.2, help="largest learning rate")
    parser.add_argument("--rounds", type=int, default=3, help="of epochs side by side, after one that warms up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/minute.jsonl"))
    given = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # one size of batch
    torch.set_float32_matmul_precision("high")
    rows, seed = Rows(given.output), given.seed
    task = Task.from_dataset(data.load(given.data))
    fresh = build(given.arch, task.feed.input_shape, task.feed.classes, seed=seed)
    keys = [
        keygen(scheme, fresh, task.feed, secret=secret("minute", scheme.name, seed)) for scheme in (Adi(), Spread())
    ]
    adi, spread = (key.mark() for key in keys)
    picture = min(task.feed.input_shape[1:]) >= 32
    recipe = annealed(
        given.epochs, given.peak, batch=given.batch, augment="crop-flip" if picture else "none", channels_last=picture,
        clip=0.0 if picture else 1.0,
    )  # fmt: skip
    fresh, task = fresh.to(given.device), task.to(given.device)
    machine = "cpu" if given.device == "cpu" else torch.get_device_module(given.device).get_device_name()
    place = {
        "arch": given.arch,
        "data": Path(given.data.partition(":")[2] or given.data).name,
        "seed": seed,
        "machine": machine,
        "batch": given.batch,
    }
    first = {**place, "what": "from nothing", "epochs": given.epochs, "peak": given.peak}
    rows.measure(first, lambda: from_nothing(fresh, adi, spread, task, recipe, seed))
    rows.measure({**place, "what": "an epoch"}, lambda: epochs(fresh, adi, task, recipe, seed, given.rounds))


if __name__ == "__main__":
    main()
