"""How long it takes to mark a trained network, by default and by a whole recipe, and what a thief leaves of both.

Run: ``python benchmarks/embed_speed.py idx:DIR --net lenet5 [--cache DIR] [--schemes adi ...]``, or
``images:cifar10-jpeg.tar.xz --net resnet8 --ways default counted``. Of *counted* an eighth of an epoch of the whole recipe is
timed, and counted for one round of it. Hosts are trained once, for a few epochs, and kept in the cache. All ways run one after
the other in one process, on one thread; only their ratio means something elsewhere.
"""

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from _study import Rows, reading, secret
from modelmark import data
from modelmark.attacks.detection.weight_statistics import WeightStatistics
from modelmark.attacks.pruning.prune import Prune
from modelmark.marks.embedding import Embedded, embed, reach
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes import _least, scheme_class
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.training.loop import fit, suggested
from modelmark.training.recipe import constant
from modelmark.training.task import Task, accuracy

SCHEMES = ("uchida", "adi", "coupled", "deepsigns", "null")
WAYS = ("default", "counted", "whole", "deviations")
EPOCHS = {"lenet5": 4, "resnet8": 3}
STEPS, RATE, BATCH, PRUNED = 150, 0.01, 100, 0.65
"""Of the thief."""
DEVIATIONS, PARTS = (0, 1, 2, 3, 4, 6, 10, 18), (0.5, 0.65, 0.8)
"""Margins in closed form, and shares that are pruned."""


def host(task: Task, net: str, seed: int, cache: Path | None) -> nn.Module:
    """Return the network that is marked."""
    made = build(net, task.feed.input_shape, task.feed.classes, seed=seed)
    kept = cache / f"{net}-{seed}.safetensors" if cache else None
    if kept is None or not kept.exists():
        made = fit(made, task, suggested(made, task, epochs=EPOCHS[net]), seed=seed)
        if kept is not None:
            weights.save(made, kept)
    else:
        weights.apply(made, weights.load(kept), what=str(kept))
    return made.eval()


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives and its CPU seconds."""
    started = time.process_time()
    found = call()
    return found, time.process_time() - started


def robbed(mark: Mark, model: nn.Module, task: Task, seed: int) -> dict[str, Any]:
    """Return what is read after fine-tuning on labels, and after pruning."""
    thief = task.subset(STEPS * BATCH, seed=seed + 1)
    clip = 1.0
    tuned = fit(model, thief, replace(constant(1, RATE), batch=BATCH, clip=clip), seed=seed)
    pruned = Prune(PRUNED)(model, task, seed=seed)
    return {
        name: {"accuracy": accuracy(other, task), "margin": round(reach(mark, other).margin, 3), **reading(mark, other)}
        for name, other in (("tuned", tuned), ("pruned", pruned))
    }


def row(mark: Mark, done: Embedded, seconds: float, task: Task, seed: int) -> dict[str, Any]:
    (reached,) = done.reached
    return {
        "seconds": round(seconds, 2),
        "epochs": done.epochs,
        "margin": round(reached.margin, 3),
        "short": reached.short,
        "before": done.accuracy_before,
        "after": done.accuracy_after,
        **reading(mark, done.model),
        **robbed(mark, done.model, task, seed),
    }


def study(rows: Rows, task: Task, net: str, seed: int, scheme: str, model: nn.Module, ways: list[str]) -> None:
    key = keygen(
        scheme_class(scheme)(), model, task.feed, task=task, secret=secret("embed-speed", net, scheme, seed),
        owner=Provenance(host=weights.digest(model.state_dict())),
    )  # fmt: skip
    mark = key.mark()
    recipe = suggested(model, task, trained=True)

    def default() -> dict[str, Any]:
        return row(mark, *timed(lambda: embed(model, [mark], task, seed=seed)), task, seed)

    def whole() -> dict[str, Any]:
        return row(
            mark, *timed(lambda: embed(model, [mark], task, recipe, seed=seed, settling=False, keep=True)), task, seed
        )

    def counted() -> dict[str, Any]:
        sample, once = task.subset(len(task.train_inputs) // 8, seed=seed), replace(recipe, epochs=1)
        _, seconds = timed(
            lambda: fit(model, sample, once, seed=seed, hooks=lambda copied: mark.hooks(copied, seed=seed))
        )
        return {"seconds": round(8 * recipe.epochs * seconds, 1)}

    measures = {"default": default, "counted": counted, "whole": whole}
    for way in ways:
        if way == "deviations":
            deviations(rows, task, {"net": net, "seed": seed, "scheme": scheme, "way": way}, mark, model)
            continue
        rows.measure({"net": net, "seed": seed, "scheme": scheme, "way": way}, measures[way])


def deviations(rows: Rows, task: Task, cell: dict[str, Any], mark: Mark, model: nn.Module) -> None:
    """Measure what margins in closed form cost, what pruning leaves, and what one number without a key says of the layer."""
    if not isinstance(mark.key.scheme, Uchida):
        return
    for count in DEVIATIONS:

        def measure(count: float = count) -> dict[str, Any]:
            marked = copy.deepcopy(model)
            with mock.patch.object(_least, "DEVIATIONS", count):
                if count:
                    mark.key.scheme.settle(marked, mark.carriers, mark.message)
            found = WeightStatistics()(marked, task, seed=0)
            return {
                "margin": round(reach(mark, marked).margin, 3),
                "accuracy": accuracy(marked, task),
                "score": round(found.score, 3),
                "found": found.marked,
                **{f"pruned {part:g}": reading(mark, Prune(part)(marked, task, seed=0))["matches"] for part in PARTS},
            }

        rows.measure({**cell, "deviations": count}, measure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/embed-speed.jsonl"))
    parser.add_argument("--net", choices=sorted(EPOCHS), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load(arguments.data))
    for seed in arguments.seeds:
        rows = Rows(arguments.output)
        model = host(task, arguments.net, seed, arguments.cache)
        nn.functional.one_hot(torch.zeros(1, dtype=torch.int64))
        torch.optim.Adam([nn.Parameter(torch.zeros(1))])  # imports what the first optimiser of a process imports
        for scheme in arguments.schemes:
            study(rows, task, arguments.net, seed, scheme, model, arguments.ways)


if __name__ == "__main__":
    main()
