"""How much noise lies in regions that the training data rarely explore: the paper's fine noise, and noise of several grains.

Run: ``python benchmarks/rarity.py idx:DIR --nets lenet5 mlp [--cache DIR]`` and the same with ``images:FILE --nets resnet8``
(under a minute a network where ``benchmarks/schemes.py`` left its hosts in the cache). Test pictures are the control.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _study import Rows, secret
from modelmark import data
from modelmark.rendering import noise
from modelmark.schemes import _density
from modelmark.training.task import Task
from schemes import Bench

COUNT, RARE = 2000, 0.01


def study(bench: Bench) -> None:
    shape, owner = bench.task.feed.input_shape, secret("rarity", bench.net)
    families = {
        "fine": np.random.default_rng(0).integers(0, 256, (COUNT, *shape), np.uint8),
        "grained": noise.render(owner, np.arange(COUNT), shape),
        "test pictures": bench.task.test_inputs[:COUNT].numpy(),
    }

    def measure() -> dict[str, Any]:
        shares = {
            name: _density.sparseness(bench.host(), bench.task, lambda part, p=pictures: p[part], COUNT, owner)
            for name, pictures in families.items()
        }
        return {name: float((share < RARE).mean()) for name, share in shares.items()}

    bench.rows.measure({"net": bench.net, "seed": bench.seed}, measure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/rarity.jsonl"))
    parser.add_argument("--nets", nargs="+", required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load(arguments.data))
    for net in arguments.nets:
        study(Bench(Rows(arguments.output), task, net, 0, arguments.cache, arguments.epochs))


if __name__ == "__main__":
    main()
