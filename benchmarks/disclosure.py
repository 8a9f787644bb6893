"""What opening one lot costs the others, once the thief trains against what was shown: ``python benchmarks/disclosure.py``.

Digits, ``cnn``, ``adi`` with 128 triggers in four lots of 32, ten to a hundred samples. The thief fine-tunes the marked model
on his data with the opened lot in every batch, labelled anew at random; then the lots that nobody has seen are read. Beside
it: the same with pictures of the same family that the thief made with a key of his own, without any opening. JSON lines on
stdout.
"""

import argparse
import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from modelmark import data
from modelmark.evidence.stats import tail_bits
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.models import build
from modelmark.schemes import blackbox
from modelmark.schemes.adi import Adi
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Hooks
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

LOTS, SIZE, TENTH = 4, 32, Fraction(1, 10)
RESULTS = Path(__file__).parent / "results" / "disclosure.jsonl"


def rows(seed: int, epochs: int) -> Iterator[dict[str, object]]:
    """Yield one row per thief."""
    task = Task.from_dataset(data.load("digits"))
    parts = task.split({"owner": 0.7, "thief": 0.3}, seed=seed)
    fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
    key = keygen(Adi(triggers=LOTS * SIZE, per_hundred=10), fresh, task.feed, secret=Secret(bytes([seed]) * 32))
    mark, recipe = key.mark(), annealed(40, 0.05, batch=64, clip=1.0)
    marked = embed(fresh, [mark], parts["owner"], recipe, seed=seed).model
    fed = Normalise(task.feed)
    generator = torch.Generator().manual_seed(seed)
    own = keygen(
        Adi(triggers=SIZE), fresh, task.feed, secret=Secret(bytes([seed, 1]) * 16), policy=KeyPolicy(self_check=True)
    )
    thieves = {"none": None, "fine-tunes": np.empty((0, *task.feed.input_shape), np.uint8)}
    thieves |= {"has one lot": key.carriers.pictures[:SIZE], "makes the family": own.carriers.pictures}
    for name, pictures in thieves.items():
        model = marked
        if pictures is not None:
            labels = torch.randint(0, task.feed.classes, (len(pictures),), generator=generator)
            shown = blackbox.Mixing(fed(torch.from_numpy(pictures)), labels, 20, seed) if len(pictures) else Hooks()
            recipe = annealed(epochs, 0.02, batch=64, clip=1.0)
            model = fit(marked, parts["thief"], recipe, seed=seed + 1, hooks=lambda _, shown=shown: shown)
        found = mark.read(WhiteBox(model)).scores[0].symbols
        matches = (found == mark.message).reshape(LOTS, SIZE).sum(axis=1)
        unseen = int(matches[1:].sum())
        yield {
            "study": "disclosure", "thief": name, "seed": seed, "epochs": epochs, "lots": matches.tolist(), "of": SIZE,
            "accuracy": round(accuracy(model, task), 4),
            "unopened_bits_per_lot": [round(tail_bits(int(m), SIZE, TENTH), 1) for m in matches[1:]],
            "unopened_rate": round(unseen / (SIZE * (LOTS - 1)), 4),
        }  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--epochs", type=int, default=10)
    words.add_argument("--save", action="store_true", help="write benchmarks/results/disclosure.jsonl")
    chosen = words.parse_args()
    torch.set_num_threads(1)
    lines = []
    for seed in range(chosen.seeds):
        for row in rows(seed, chosen.epochs):
            lines.append(json.dumps(row))
            print(lines[-1], flush=True)
    if chosen.save:
        RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
