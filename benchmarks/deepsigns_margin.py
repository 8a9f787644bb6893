"""DeepSigns on the MNIST perceptron, 10 classes x 16 bits: how fast the margin comes, and what a larger one buys.

Run: ``python benchmarks/deepsigns_margin.py idx:DIR [--seeds 0 1 2]`` (about four CPU minutes a seed). Attacks: five epochs of
SGD, three of Adam, on 20,000 training images.
"""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from _study import Rows, command, reading, readings, secret
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.feeds.tensors import Normalise
from modelmark.marks.embedding import reach
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.training.loop import fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task, accuracy

STRENGTHS = (0.03, 0.3, 3.0)
EPOCHS = 10


def adam(model: nn.Module, task: Task, rate: float, *, seed: int) -> nn.Module:
    """Return the model after three epochs of Adam, which moves every weight by about its rate a step."""
    model = copy.deepcopy(model).train()
    optimizer, normalise = torch.optim.Adam(model.parameters(), rate), Normalise(task.feed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        for picked in torch.randperm(len(task.train_inputs), generator=generator).split(128):
            cross_entropy(model(normalise(task.train_inputs[picked])), task.train_targets[picked]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


def study(rows: Rows, task: Task, seed: int) -> None:
    fresh = build("mlp", task.feed.input_shape, task.feed.classes, seed=seed)
    recipe = suggest(samples=60000, normalised=False, trained=False, picture=False, epochs=EPOCHS)
    thief = task.subset(20_000, seed=seed + 1)
    for strength in STRENGTHS:
        scheme = DeepSigns(bits=16, strength=strength)
        mark = keygen(scheme, fresh, task.feed, task=task, secret=secret("margin", seed)).mark()

        def measure(mark: Any = mark) -> dict[str, Any]:
            model = fit(fresh, task, recipe, seed=seed, hooks=mark.hooks)
            after = {
                "sgd 0.001": FineTune(rate=0.001)(model, thief, seed=seed),
                "sgd 0.01": FineTune(rate=0.01)(model, thief, seed=seed),
                "adam 0.0001": adam(model, thief, 1e-4, seed=seed),
                "adam 0.001": adam(model, thief, 1e-3, seed=seed),
            }
            return {
                "accuracy": accuracy(model, task),
                "margin": round(reach(mark, model).margin, 3),
                **reading(mark, model),
                "after": readings(mark, after, task),
            }

        rows.measure({"seed": seed, "strength": strength}, measure)


def table(rows: Rows) -> None:
    for row in rows.rows:
        after = "  ".join(f"{n}: {r['trials'] - r['matches']} wrong" for n, r in row["after"].items())
        print(f"{row['seed']} {row['strength']:5} {100 * row['accuracy']:.2f} margin {row['margin']:.2f}  {after}")


if __name__ == "__main__":
    command(__doc__, "deepsigns_margin", study, table)
