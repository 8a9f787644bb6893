"""Null embedding on MNIST: accuracy under its own patterns and under foreign ones, and an attempt to add a second mark.

Run: ``python benchmarks/null_embedding.py idx:DIR [--seeds 0 1 2] [--cache DIR]`` (six CPU minutes a seed). The pirate has a
tenth of the training data, embeds a key of the same kind into the finished model for five epochs, and is measured after each.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _study import Rows, reading, secret
from modelmark import data
from modelmark.errors import NotEmbeddedError
from modelmark.feeds.tensors import Extremes, Normalise
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.schemes import _patterns
from modelmark.schemes.null_embedding import NullEmbedding, SignedFilter
from modelmark.suspects.module import logits
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import Task, accuracy
from schemes import Bench

FOREIGN = 40
EPOCHS = 5


def under(mark: Mark, model: nn.Module, task: Task, *, true: bool) -> float:
    """Return the share of test pictures that get the expected label under the null pattern, or under true ones."""
    carriers = mark.key.carriers
    size = _patterns.plane(task.feed)
    extremes = Extremes(task.feed, carriers.amplitude)
    pictures = Normalise(task.feed)(task.test_inputs)
    planes = torch.from_numpy((carriers.true if true else carriers.null).planes(*size))
    which = torch.arange(len(pictures)) % len(planes)
    answers = logits(model, extremes.apply(pictures, planes[which]), batch=1000).argmax(dim=1)
    labels = np.array([carriers.y_w]) if isinstance(carriers, SignedFilter) else mark.message
    expected = torch.from_numpy(labels)[which] if true else task.test_labels
    return float((answers == expected).float().mean())


def study(bench: Bench, variant: str, scheme: NullEmbedding) -> None:
    task, seed = bench.task, bench.seed
    mark = bench.mark(scheme)

    def marked() -> nn.Module:
        recipe = bench.recipe(trained=False, epochs=bench.epochs)
        return bench.kept(variant, lambda: embed(bench.fresh, [mark], task, recipe, seed=seed).model)

    def patterns() -> dict[str, Any]:
        try:
            model = marked()
        except NotEmbeddedError as error:
            return {"refused": str(error)}
        foreign = [
            under(
                keygen(scheme, model, task.feed, task=task, secret=secret("foreign", n)).mark(),
                model,
                task,
                true=False,
            )
            for n in range(FOREIGN)
        ]
        return {
            "accuracy": accuracy(model, task),
            "acc_null": under(mark, model, task, true=False),
            "acc_true": under(mark, model, task, true=True),
            "foreign_null": [round(share, 4) for share in foreign],
        }

    cell = {"net": bench.net, "seed": seed, "variant": variant}
    if "refused" in bench.rows.measure({**cell, "study": "patterns"}, patterns):
        return

    def pirate() -> dict[str, Any]:
        model, other, after = marked(), bench.mark(scheme, owner="thief"), []
        thief = task.subset(len(task.train_inputs) // 10, seed=seed + 1)
        for epoch in range(EPOCHS):
            model = fit(model, thief, constant(1, 0.01), seed=seed + epoch, hooks=lambda m: other.hooks(m, seed=seed))
            after.append(
                {
                    "accuracy": accuracy(model, task),
                    "second_null": under(other, model, task, true=False),
                    "second_true": under(other, model, task, true=True),
                    "first": reading(mark, model)["matches"],
                    "first_net_bits": reading(mark, model).get("net_bits", 0.0),
                }
            )
        return {"after": after}

    bench.rows.measure({**cell, "study": "second mark"}, pirate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/null.jsonl"))
    parser.add_argument("--nets", nargs="+", default=["lenet5", "mlp"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load(arguments.data))
    for seed in arguments.seeds:
        for net in arguments.nets:
            bench = Bench(Rows(arguments.output), task, net, seed, arguments.cache, arguments.epochs)
            for variant, scheme in (("null", NullEmbedding()), ("null literal", NullEmbedding(message="signature"))):
                study(bench, variant, scheme)


if __name__ == "__main__":
    main()
