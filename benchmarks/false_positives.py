"""False positives on unmarked models: 100,000 draws against each model's fixed answers, and 200 fresh keys.

Run: ``python benchmarks/false_positives.py -o benchmarks/results/false_positives.jsonl [--mnist DATA_DIR]`` (about 10 CPU
minutes, with MNIST 5 more); ``--table`` prints the table from the rows alone. The test is discrete: the observed rate is
held against the exact attainable level below 0.5, 0.1, 0.05, 0.01 and 0.001.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _study import Rows, secret
from modelmark import data
from modelmark.align.alignment import align
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.uchida import Uchida
from modelmark.testing.false_positives import fresh_keys, levels, messages
from modelmark.training.loop import fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task, accuracy

DRAWS, KEYS = 100_000, 200
VARIANTS: dict[str, Any] = {
    "adi": Adi(),
    "uchida": Uchida(),
    "uchida, aligned": Uchida(),
    "deepsigns": DeepSigns(),
    "deepsigns, aligned": DeepSigns(),
    "deepsigns-blackbox": DeepSignsBlackBox(
        pool=2
    ),  # 20 in earnest; each fresh key looks at all its candidates, so there are 40
    "coupled": Coupled(),
    "coupled overlay": Coupled(fusion="overlay"),
    "null": NullEmbedding(),
}


def unmarked_models(mnist: str | None) -> Iterator[tuple[str, Task, nn.Module]]:
    """Yield ten trained networks on digits, and three LeNet-5 on MNIST where its folder is given."""
    plans = [("digits", "cnn", range(5)), ("digits", "mlp", range(5))] + (
        [(f"idx:{mnist}", "lenet5", range(3))] if mnist else []
    )
    for spec, arch, seeds in plans:
        task = Task.from_dataset(data.load(spec))
        recipe = suggest(samples=len(task.train_inputs), normalised=False, trained=False, picture=False)
        for seed in seeds:
            fresh = build(arch, task.feed.input_shape, task.feed.classes, seed=seed)
            yield f"{arch} on {spec.split(':')[0]} {seed}", task, fit(fresh, task, recipe, seed=seed)


def measure(rows: Rows, mnist: str | None) -> None:
    drawn: dict[tuple[int, int], Any] = {}
    hosts: dict[str, nn.Module] = {}
    for name, task, model in unmarked_models(mnist):
        host = hosts.setdefault(
            name.split()[0], model
        )  # the first of each architecture; an independent one for the others
        for variant, scheme in VARIANTS.items():
            if variant.endswith("aligned") and host is model:
                continue
            seen = align(model, host, task.feed) if variant.endswith("aligned") else model
            key = keygen(scheme, model, task.feed, task=task, secret=secret("false-positives", name))
            trials, alphabet = key.scheme.size(key.feed)

            def study(
                key: Any = key, model: nn.Module = seen, task: Task = task, shape: Any = (alphabet, trials)
            ) -> dict[str, Any]:
                if shape not in drawn:
                    drawn[shape] = messages(*shape, DRAWS).astype(np.int16)
                count = KEYS // 5 if isinstance(key.scheme, DeepSignsBlackBox) else KEYS
                bits = fresh_keys(key, model, count, task)
                return {
                    "accuracy": accuracy(model, task),
                    "levels": [vars(level) for level in levels(key, model, drawn[shape])],
                    "most_bits_of_fresh_keys": max(bits),
                    "draws": DRAWS,
                    "keys": count,
                }

            rows.measure({"model": name, "scheme": variant, "trials": trials}, study)


def table(rows: Rows) -> None:
    print(
        f"{'model':22} {'scheme':7} {'trials':>6}  observed / exact (standard errors) ...; most bits of {KEYS} fresh keys"
    )
    worst = 0.0
    for row in rows.rows:
        cells = "  ".join(f"{e['observed']:.4f}/{e['exact']:.4f} ({e['errors']:+.1f})" for e in row["levels"])
        worst = max([worst, *(abs(e["errors"]) for e in row["levels"])])
        print(f"{row['model']:22} {row['scheme']:7} {row['trials']:6}  {cells}; {row['most_bits_of_fresh_keys']:.1f}")
    print(f"largest deviation: {worst:.2f} standard errors (at most 4 expected)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/false_positives.jsonl"))
    parser.add_argument("--mnist", help="folder with the MNIST IDX files")
    parser.add_argument("--table", action="store_true", help="print the table of rows already measured")
    arguments = parser.parse_args()
    rows = Rows(arguments.output)
    if not arguments.table:
        torch.set_num_threads(1)
        measure(rows, arguments.mnist)
    table(rows)


if __name__ == "__main__":
    main()
