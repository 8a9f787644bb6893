"""``spread`` on digits, ``cnn``: what the mark costs in each of its three ways, and what attacks leave of it.

python benchmarks/spread.py [SEED ...]      prints the tables of docs/schemes/spread.md; some three minutes a seed on one core
"""

import copy
import sys
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from modelmark import data
from modelmark.attacks import attack_class
from modelmark.errors import MismatchError
from modelmark.evidence.evidence import Evidence
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint, initialise
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

RECIPE = annealed(20, 0.05, batch=64, clip=1.0)
ATTACKS = (
    ("finetune", {"rate": 0.01}),
    ("finetune", {"form": "rtal", "rate": 0.05, "epochs": 10}),
    ("prune", {"amount": 0.5}),
    ("prune", {"amount": 0.9}),
    ("prune-channels", {"amount": 0.5}),
    ("permute", {}),
    ("rescale", {}),
    ("dummy", {}),
    ("shift", {"strength": 1.5}),
    ("shift", {"strength": 2.5, "noise": 0.5, "rate": 0.05}),
    ("noise", {"share": 0.4}),
    ("low-rank", {"rank": 0.6}),
    ("quantise", {}),
    ("overwrite", {"scheme": "spread", "epochs": 10}),
    ("overwrite", {"scheme": "uchida", "epochs": 20}),
    ("collude", {}),
    ("chain", {"steps": "prune-tune"}),
    ("chain", {"steps": "prune(amount=0.9)+finetune(rate=0.05, epochs=10)"}),
)


def marks(host: nn.Module, task: Task, seed: int) -> list[Mark]:
    """Return the marks of two keys, the second for a second copy of the host."""
    owner = Provenance(host=weights.digest(host.state_dict()))
    return [
        keygen(Spread(), host, task.feed, secret=Secret(bytes([seed, copy_]) * 16), owner=owner).mark()
        for copy_ in (1, 2)
    ]


def counted(mark: Mark, model: nn.Module, host: nn.Module | None = None) -> str:
    """Return matches and net bits."""
    try:
        found = mark.evidence(WhiteBox(model), align_to=host)
    except MismatchError:
        return "unreadable"
    assert isinstance(found, Evidence)
    return f"{found.matches}/{found.trials} ({found.net_bits:.0f} net)"


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def ways(task: Task, seed: int) -> tuple[Mark, Mark, nn.Module, nn.Module]:
    """Print what each way of embedding costs; return the marks, the host and the copy marked without data."""
    fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
    host = fit(fresh, task, RECIPE, seed=seed)
    first, second = marks(host, task, seed)
    plain = accuracy(host, task)
    row(seed, "unmarked", f"{100 * plain:.2f}", counted(first, host), counted(first, host, host))
    marked = imprint(host, first)
    row(
        seed,
        "(a) data-free",
        f"{100 * accuracy(marked, task):.2f}",
        counted(first, marked),
        counted(first, marked, host),
    )
    lost = [
        accuracy(imprint(host, keygen(Spread(), host, task.feed, secret=Secret(bytes([seed, key]) * 16)).mark()), task)
        for key in range(10, 30)
    ]
    row(seed, "(a), mean of 20 other keys", f"{100 * sum(lost) / 20:.2f}", "", "")
    born = copy.deepcopy(fresh)
    initialise(born, first)
    trained = fit(born, task, RECIPE, seed=seed)
    row(seed, "(b) at birth", f"{100 * accuracy(trained, task):.2f}", counted(first, trained), "")
    sibling = fit(born, task, RECIPE, seed=seed + 100)
    row(seed, "(b), a sibling of the same start", f"{100 * accuracy(sibling, task):.2f}", counted(first, sibling), "")
    decayed = fit(born, task, replace(RECIPE, weight_decay=5e-3), seed=seed)
    row(seed, "(b), weight decay 0.005", f"{100 * accuracy(decayed, task):.2f}", counted(first, decayed), "")
    hooked = embed(fresh, [first], task, RECIPE, seed=seed)
    row(seed, "(c) hooks, from scratch", f"{100 * hooked.accuracy_after:.2f}", counted(first, hooked.model), "")
    return first, second, host, marked


def attacked(task: Task, seed: int, made: tuple[Mark, Mark, nn.Module, nn.Module]) -> None:
    """Print what attacks leave of the copy marked without data."""
    mark, other, host, marked = made
    thief = task.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]
    for name, settings in ATTACKS:
        attack = attack_class(name)(**settings)
        stolen: nn.Module | Sequence[nn.Module] = [marked, imprint(host, other)] if name == "collude" else marked
        left = attack(stolen, thief, seed=seed)
        said = ", ".join(f"{key}={value}" for key, value in settings.items())
        row(
            seed,
            f"{name} {said}".strip(),
            f"{100 * accuracy(left, task):.1f}",
            counted(mark, left),
            counted(mark, left, host),
        )


def main(seeds: Sequence[int]) -> None:
    """Print both tables for every seed."""
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load("digits"))
    for seed in seeds:
        row("seed", "", "accuracy %", "blind", "against the host")
        attacked(task, seed, ways(task, seed))


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0, 1, 2])
