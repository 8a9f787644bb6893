"""Adi et al. 2018 at their size: ResNet-18 on CIFAR-10 (here re-encoded as JPEG, lossy), their 100 pictures, their schedule.

Wants a GPU: ``python benchmarks/adi_paper.py images:cifar10-jpeg.tar.xz --pictures
adi-triggers/crop32``. Departs: labels are drawn after the pictures are committed, where the release has a file of them; fewer
than 60 epochs squeeze the schedule. The marked network is kept in ``--keep`` for the attacks, so that ``--what`` can be run in
parts, side by side.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _study import Rows, reading, secret
from modelmark import data
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.data import read_pictures
from modelmark.marks.embedding import reach
from modelmark.marks.imported import fitted
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.networks.layers import with_head
from modelmark.schemes.adi import Adi
from modelmark.suspects import weights
from modelmark.training.hooks import Composed
from modelmark.training.loop import fit
from modelmark.training.recipe import released
from modelmark.training.task import Task, accuracy

ARCH = "preact-resnet18"
ATTACKS = [f"{form} {rate}" for form in ("ftll", "rtll", "ftal", "rtal") for rate in (0.001, 0.01)]
WHAT = ["unmarked", "adi", *ATTACKS]


def trained(task: Task, mark: Mark | None, epochs: int, *, seed: int, device: str) -> nn.Module:
    """Return a network trained as their release does, with the mark or without."""
    fresh = build(ARCH, task.feed.input_shape, task.feed.classes, seed=seed).to(device)
    recipe = replace(released("adi", epochs), channels_last=True)
    marks = [] if mark is None else [mark]
    return fit(
        fresh, task, recipe, seed=seed, hooks=lambda copied: Composed(each.hooks(copied, seed=seed) for each in marks)
    )


def attacked(marked: nn.Module, attack: str, epochs: int, task: Task, mark: Mark) -> dict[str, Any]:
    """Return accuracy and triggers after an attack with all of the training data; after a new head, through the old one too."""
    form, _, rate = attack.partition(" ")
    after = FineTune(form=form, rate=float(rate), epochs=epochs)(marked, task, seed=0)  # type: ignore[arg-type]
    found = {"epochs": epochs, "accuracy": accuracy(after, task), **reading(mark, after)}
    if form.startswith("rt"):
        found |= {"old head": reading(mark, with_head(after, marked.state_dict()))}
    return found


def timed(measurement: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def measure() -> dict[str, Any]:
        started = time.perf_counter()
        return {**measurement(), "wall_s": round(time.perf_counter() - started, 1)}

    return measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of the 100 trigger pictures")
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--attack-epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--keep", type=Path, default=Path("/tmp/adi-paper"), help="folder for trained networks")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/adi-paper.jsonl"))
    given = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # one size of batch
    rows, seed, device = Rows(given.output), given.seed, given.device
    task = Task.from_dataset(data.load(given.data))
    fresh = build(ARCH, task.feed.input_shape, task.feed.classes, seed=seed)
    pictures = {"triggers": fitted(list(read_pictures(given.pictures).values()), task.feed, "crop")}
    key = keygen(Adi(pictures="own"), fresh, task.feed, attachments=pictures, secret=secret("adi-paper", seed))
    mark, task = key.mark(), task.to(device)
    place = {"seed": seed, "arch": ARCH, "machine": "cpu" if device == "cpu" else torch.cuda.get_device_name()}
    given.keep.mkdir(parents=True, exist_ok=True)
    kept = given.keep / f"adi-{given.epochs}-{seed}.safetensors"

    def model(name: str) -> dict[str, Any]:
        net = trained(task, mark if name == "adi" else None, given.epochs, seed=seed, device=device)
        reached = reach(mark, net)
        if name == "adi":
            weights.save(net, kept)
        return {"accuracy": accuracy(net, task), "margin": round(reached.margin, 3), **reading(mark, net)}

    for name in ("unmarked", "adi"):
        if name in given.what:
            cell = {**place, "model": name, "epochs": given.epochs, "attack": "none"}
            rows.measure(cell, timed(lambda name=name: model(name)))  # type: ignore[misc]
    for attack in ATTACKS:
        if attack in given.what:
            marked = build(ARCH, task.feed.input_shape, task.feed.classes, seed=seed)
            weights.apply(marked, weights.load(kept), what="the marked network")
            cell = {**place, "model": "adi", "trained": given.epochs, "attack": attack}
            run = (marked.to(device).eval(), attack, given.attack_epochs, task, mark)
            rows.measure(cell, timed(lambda run=run: attacked(*run)))  # type: ignore[misc]


if __name__ == "__main__":
    main()
