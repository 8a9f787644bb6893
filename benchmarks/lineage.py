"""``lineage`` beside two published tests, on the same pairs of networks: copies that were changed, and networks trained apart.

Run: ``python benchmarks/lineage.py [-o FILE]`` (ten networks, some minutes on one core). The published tests are those of Zhu,
Ahmed, Kuditipudi and Liang (ICML 2025): a statistic of weights against 999 random orders (PERMTEST, ends at ten bits), and the
rank correlation of matched and own places (by linear assignment and Spearman's test, orders joined by Fisher's method).
"""

import argparse
import copy
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import nn

from _study import Rows
from modelmark import data
from modelmark.attacks import attack_class
from modelmark.lineage import order, units
from modelmark.models import build
from modelmark.suspects.files.base import WeightFile, held
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

RESULTS = Path("benchmarks/results/lineage.jsonl")
RECIPE = annealed(20, 0.05, batch=64, clip=1.0)
NETWORKS, PERMUTATIONS = 10, 999
MOST = 1000.0
"""Bits at which what double precision gives of the published test's tail ends."""
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("finetune", {"rate": 0.01}),
    ("finetune", {"form": "rtal", "rate": 0.05, "epochs": 10}),
    ("prune", {"amount": 0.5}),
    ("prune", {"amount": 0.9}),
    ("noise", {"share": 0.4}),
    ("low-rank", {"rank": 0.6}),
    ("quantise", {"bits": 4}),
    ("shift", {"strength": 2.5, "noise": 0.5, "rate": 0.05}),
    ("rescale", {}),
    ("permute", {}),
    ("retrain-soft", {}),
)
Floats = npt.NDArray[np.float32]


def opened(model: nn.Module) -> WeightFile:
    return held({name: tensor.detach() for name, tensor in model.state_dict().items()})


def alike(mine: WeightFile, suspect: WeightFile, orders: list[units.Units]) -> list[Floats]:
    """Return how much alike units are, ``(mine, suspect's)`` for each order."""
    return [order.rows(mine, each) @ order.rows(suspect, each).T for each in orders]


def permtest(pairs: list[Floats], rng: np.random.Generator) -> float:
    """Return -log2 p of the mean at the own place, against random orders of the suspect's units."""
    own = sum(float(np.trace(pair)) for pair in pairs)
    drawn = [
        sum(float(pair[np.arange(len(pair)), rng.permutation(len(pair))].sum()) for pair in pairs)
        for _ in range(PERMUTATIONS)
    ]
    return -math.log2((1 + sum(value >= own for value in drawn)) / (PERMUTATIONS + 1))


def matched(pairs: list[Floats]) -> float:
    """Return -log2 p of the rank correlation between own places and those of the best assignment."""
    found = [
        stats.spearmanr(*linear_sum_assignment(pair, maximize=True), alternative="greater").pvalue for pair in pairs
    ]
    joined = -2 * sum(math.log(max(float(p), 1e-300)) for p in found)
    return min(float(-stats.chi2.logsf(joined, 2 * len(found)) / math.log(2)), MOST)


def measured(mine: nn.Module, suspect: nn.Module, orders: list[units.Units]) -> dict[str, Any]:
    files = opened(mine), opened(suspect)
    found, pairs = order.lineage(*files, orders), alike(*files, orders)
    return {
        "matches": found.matches, "units": found.units, "orders": len(found.orders), "bits": round(found.bits, 1),
        "permtest": round(permtest(pairs, np.random.default_rng(0)), 1), "matched": round(matched(pairs), 1),
    }  # fmt: skip


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    rows = Rows(parser.parse_args().output)
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load("digits"))
    thief = task.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]
    starts = [build("cnn", task.feed.input_shape, task.feed.classes, seed=seed) for seed in range(NETWORKS)]
    nets = [fit(start, task, RECIPE, seed=seed) for seed, start in enumerate(starts)]
    orders = units.of_network(nets[0])
    for seed in range(3):
        for name, settings in CHANGES:
            said = ", ".join(f"{key}={value}" for key, value in settings.items())

            def changed(seed: int = seed, name: str = name, settings: dict[str, Any] = settings) -> dict[str, Any]:
                made = attack_class(name)(**settings)(copy.deepcopy(nets[seed]), thief, seed=seed)
                return {"accuracy": accuracy(made, task)} | measured(nets[seed], made, orders)

            rows.measure({"pair": f"{name} {said}".strip(), "seed": seed}, changed)
        same = {"pair": "same first weights, other order of data", "seed": seed}
        rows.measure(
            same, lambda seed=seed: measured(nets[seed], fit(starts[seed], task, RECIPE, seed=seed + 100), orders)
        )

    def apart() -> dict[str, Any]:
        found = [measured(a, b, orders) for a, b in itertools.permutations(nets, 2)]
        return {name: [each[name] for each in found] for name in ("matches", "bits", "permtest", "matched")}

    rows.measure({"pair": "trained apart", "seed": -1}, apart)


if __name__ == "__main__":
    main()
