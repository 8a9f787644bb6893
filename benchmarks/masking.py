"""Function-coupled marks with random weight masking, without it, and with dropout or DropConnect in its place.

Run: ``python benchmarks/masking.py idx:DIR [--seeds 0]`` (about five CPU minutes a seed): LeNet-5 on MNIST from scratch. Dropout
and DropConnect act on every hidden convolution and linear layer at 0.1 while training. Held-out fusions are of test pictures.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils import parametrize

from _study import Rows, command, reading, readings, secret
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import read
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes._masking import Masking
from modelmark.schemes.coupled import Coupled
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed, Hooks
from modelmark.training.loop import fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task, accuracy

SHARE = 0.1
EPOCHS = 6


class _Dropout(Hooks):
    """Dropout after every hidden layer while training."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for layer in layers.markable(model)[:-1]:
            model.get_submodule(layer.path).register_forward_hook(
                lambda module, _, output: dropout(output, SHARE, module.training)
            )


class _NoWaiting(Hooks):
    """The release's masking: every tenth step to the end, whether weights regrow or not."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._masking = Masking(10, 0.002, seed=0)
        self._masking._regrown = lambda weights, total: True  # type: ignore[method-assign]

    def after_step(self, model: nn.Module) -> None:
        self._masking.after_step(model)


class _Connect(nn.Module):
    """A weight with a random share of it left out, drawn anew at every forward pass."""

    def forward(self, weight: Tensor) -> Tensor:
        return dropout(weight, SHARE, self.training)


class _DropConnect(Hooks):
    """DropConnect on every hidden layer while training."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for layer in layers.markable(model)[:-1]:
            parametrize.register_parametrization(model.get_submodule(layer.path), "weight", _Connect())


VARIANTS: dict[str, tuple[float, Callable[[nn.Module], Hooks] | None]] = {
    "none": (0.0, None),
    "masking 0.002": (0.002, None),
    "masking 0.002 to the end": (0.0, _NoWaiting),
    "dropout": (0.0, _Dropout),
    "dropconnect": (0.0, _DropConnect),
}


def plain(model: nn.Module, fresh: nn.Module) -> nn.Module:
    """Return the trained weights in a network without hooks or parametrisations."""
    for layer in layers.markable(fresh)[:-1]:
        module = model.get_submodule(layer.path)
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    clean = build("lenet5", (1, 28, 28), 10, seed=0)
    clean.load_state_dict(model.state_dict())
    return clean.eval()


def held_out(mark: Mark, model: nn.Module, task: Task) -> int:
    """Return how many symbols are read right through fusions of test pictures."""
    key, rng = mark.key, np.random.default_rng(0)
    places = [rng.choice(np.flatnonzero(task.test_labels.numpy() == c), key.scheme.queries, False) for c in range(10)]
    sources = task.test_inputs.numpy()[np.stack(places)]
    carriers = key.scheme.carriers(replace(key.material, attachments={"sources": sources}))
    found = read(carriers, WhiteBox(model)).scores[0].symbols
    return int((found == mark.message).sum())


def study(rows: Rows, task: Task, seed: int) -> None:
    fresh = build("lenet5", task.feed.input_shape, task.feed.classes, seed=seed)
    recipe = suggest(samples=60000, normalised=False, trained=False, picture=False, epochs=EPOCHS)
    thief = task.subset(10_000, seed=seed + 1)
    for name, (ratio, extra) in VARIANTS.items():
        scheme = Coupled(mask_ratio=ratio)
        mark = keygen(scheme, fresh, task.feed, task=task, secret=secret("masking", seed)).mark()

        def measure(mark: Mark = mark, extra: Any = extra) -> dict[str, Any]:
            def hooks(model: nn.Module) -> Hooks:
                own = mark.hooks(model, seed=seed)
                return Composed([own, extra(model)] if extra else [own])

            model = plain(fit(fresh, task, recipe, seed=seed, hooks=hooks), fresh)
            after = {
                "prune 80%": Prune(0.8)(model, task, seed=seed),
                "prune 90%": Prune(0.9)(model, task, seed=seed),
                "ftal 0.01": FineTune(rate=0.01)(model, thief, seed=seed),
            }
            return {
                "accuracy": accuracy(model, task),
                "held_out": held_out(mark, model, task),
                **reading(mark, model),
                "after": readings(mark, after, task),
            }

        rows.measure({"seed": seed, "masking": name}, measure)


def table(rows: Rows) -> None:
    for row in rows.rows:
        after = "  ".join(f"{n}: {r['matches']} at {100 * r['accuracy']:.1f}" for n, r in row["after"].items())
        print(f"{row['masking']:14} {100 * row['accuracy']:.2f} {row['matches']} held out {row['held_out']}  {after}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    command(__doc__, "masking", study, table)
