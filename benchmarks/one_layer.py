"""Marks in one layer's weights against each other: what each costs, what shows of it, and what attacks leave of its bits.

``python benchmarks/one_layer.py``: one digits ``cnn``, one key and one seed each, a table on stdout; ten minutes on two cores.
"""

import argparse
import warnings

import torch
from torch import nn

from modelmark import data
from modelmark.align.alignment import align
from modelmark.attacks.piracy.overwrite import Overwrite
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.weights.shift import Shift
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes import scheme_class
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

SCHEMES = ("uchida", "deepmarks", "riga", "neuralmark", "passports")
ATTACKS = {
    "fine-tuned (RTAL)": FineTune(form="rtal"),
    "80 % pruned": Prune(0.8, "layer"),
    "90 % pruned": Prune(0.9, "layer"),
    "shifted by 1.5": Shift(),
    "uchida over it": Overwrite(scheme="uchida"),
    "the same over it": None,
    "channels in another order": Permute(),
}


def matches(mark: Mark, model: nn.Module) -> str:
    """Return matches, and whether they are evidence."""
    found = mark.evidence(WhiteBox(model))
    return f"{found.matches}{'' if found.established else ' (none)'}"


def deviation(mark: Mark, model: nn.Module) -> float:
    """Return that of the marked layer's mean filter."""
    layer = layers.find(model, mark.key.scheme.layer)  # type: ignore[attr-defined]
    return float(layers.rows(model, layer).detach().flatten(1).mean(dim=0).std())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemes", nargs="*", default=SCHEMES)
    chosen = parser.parse_args().schemes
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    task = Task.from_dataset(data.load("digits"))
    recipe = annealed(20, 0.05, batch=64, clip=1.0)
    fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=0)
    host = fit(fresh, task, recipe, seed=0)
    print(f"The host is right on {100 * accuracy(host, task):.2f} %.\n")
    heads = ["marked: right, %", "bits of", "mean filter's deviation, times", "in the host", "by another key", *ATTACKS]
    heads.append("that, aligned to the host")
    print("| |", " | ".join(heads), "|\n|", "|".join(["---"] * (len(heads) + 1)), "|", sep="")
    for name in chosen:
        scheme = scheme_class(name)()
        mark, other = (
            keygen(scheme, host, task.feed, task=task, secret=Secret(bytes([n] * 32))).mark() for n in (1, 2)
        )
        done = embed(host, [mark], task, recipe, seed=1)
        row = [f"{100 * done.accuracy_after:.2f}", f"{matches(mark, done.model)} of {len(mark.message)}"]
        row += [f"{deviation(mark, done.model) / deviation(mark, host):.1f}", matches(mark, host)]
        row.append(matches(other, done.model))
        for attack in ATTACKS.values():
            attacked = (attack or Overwrite(scheme=name))(done.model, task, seed=0)
            row.append(matches(mark, attacked))
        row.append(matches(mark, align(attacked, host, task.feed)))
        print(f"| `{name}` |", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
