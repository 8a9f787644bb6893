"""What would help ``spread`` against those who remove it: other readings, and pushes of random size. Digits, ``cnn``, one seed.

python benchmarks/spread_enemies.py readings [FOLDER]     matches by rules that are not read today
python benchmarks/spread_enemies.py sizes [FOLDER]        copies of 5, 10, 20 and 50 buyers, pushes of one size and of drawn ones

FOLDER keeps the networks that are trained, as an audit does. The host is subtracted as it is: nothing here moves channels.
"""

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from _rows import markdown
from modelmark.attacks import attack_class
from modelmark.audit.grid import Entry, Grid
from modelmark.audit.prepare import Bench
from modelmark.marks.marks import Mark
from modelmark.networks import layers
from modelmark.training.task import accuracy

Reals = npt.NDArray[np.float64]
NEAR = 0.3
"""Deviations of the host's layer from which a difference is not the mark's."""
REMOVE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reinitialise", {"share": 0.9, "epochs": 60}),
    ("chain", {"steps": "prune(amount=0.97)+finetune(rate=0.05, epochs=60)"}),
    ("compare", {"how": "minority", "copies": 5}),
    ("compare", {"how": "minority", "copies": 10}),
    ("compare", {"how": "middle", "copies": 10}),
    ("compare", {"how": "random", "copies": 10}),
    ("compare", {"how": "beyond", "copies": 10}),
    ("collude", {"how": "mix", "copies": 50}),
)
JOINED: tuple[tuple[str, str], ...] = (
    ("compare", "middle"), ("compare", "random"), ("compare", "minority"), ("collude", "mean"), ("collude", "mix"),
)  # fmt: skip
BUYERS = (5, 10, 20, 50)


def rules(weights: Reals, host: Reals) -> dict[str, Reals]:
    """Return v by rules of today and by others, all of suspect and host alone, ``(filters, M)`` each."""
    moved, size = weights - host, host.std()
    signs = np.sign(moved)
    return {
        "differences": moved / np.sqrt(np.square(moved).mean(axis=1, keepdims=True) + 1e-30),
        "signs of differences": signs,
        "weights": weights / np.sqrt(np.square(weights).mean(axis=1, keepdims=True) + 1e-30),
        f"signs of differences below {NEAR} deviations": signs * (np.abs(moved) < NEAR * size),
        "signs of differences, turned": -signs,
        "signs of differences, times the host's square": signs * np.square(host / size),
    }


def matches(mark: Mark, suspect: nn.Module, host: nn.Module) -> dict[str, int]:
    """Return the matches by every rule."""
    carriers: Any = mark.key.carriers
    sums: dict[str, Reals] = {}
    for run in carriers.runs:
        ours, theirs = (layers.weight(net, run.layer).detach().double().flatten(1).numpy() for net in (host, suspect))
        for block in run.blocks():
            where, sign = run.assigned(block, carriers.bits)
            for name, value in rules(theirs[block], ours[block]).items():
                there = (theirs[block] != 0) * value
                added = np.bincount(where, weights=sign * there.ravel(), minlength=carriers.bits)
                sums[name] = sums.get(name, np.zeros(carriers.bits)) + added
    return {name: int(((total >= 0) == mark.message).sum()) for name, total in sums.items()}


def readings(bench: Bench) -> str:
    """Return what each rule reads after attacks that remove the mark."""
    first, body = bench.marked(Entry("spread")), []
    for name, settings in REMOVE:
        attack = attack_class(name)(**settings)
        stolen: Any = first.model
        if attack.kind == "collusion":
            others = range(1, settings["copies"])
            stolen = [stolen, *(bench.marked(Entry("spread"), copy=number).model for number in others)]
        left = attack(stolen, bench.thief, seed=0)  # type: ignore[operator]
        found = matches(first.mark, left, bench.host)
        said = ", ".join(f"{key}={value}" for key, value in settings.items())
        body.append([f"`{name}` {said}", f"{100 * accuracy(left, bench.owner):.1f}", *map(str, found.values())])
    return markdown(["attack", "accuracy %", *found], body)


def sizes(bench: Bench) -> str:
    """Return the best of two rules after collusions, for pushes of one size and for drawn sizes of the same mean square."""
    marks = [bench.marked(Entry("spread"), copy=number).mark for number in range(max(BUYERS))]
    body = []
    for drawn in ("one size", "uniform", "normal"):
        copies = [pushed(bench.host, mark, drawn, number) for number, mark in enumerate(marks)]
        kept = np.mean([accuracy(each, bench.owner) for each in copies])
        for name, how in JOINED:
            attack = attack_class(name)(how=how)
            cells = []
            for buyers in BUYERS:
                left = attack(copies[:buyers], bench.thief, seed=0)  # type: ignore[operator]
                found = matches(marks[0], left, bench.host)
                cells.append(str(max(found["differences"], found["signs of differences"])))
            body.append([drawn, f"{100 * kept:.2f}", f"`{name}` {how}", *cells])
    return markdown(["pushes", "accuracy %", "attack", *(f"{buyers} copies" for buyers in BUYERS)], body)


def pushed(host: nn.Module, mark: Mark, drawn: str, seed: int) -> nn.Module:
    """Return a copy of the host with a mark whose pushes have sizes of their own; no bit gets more than others."""
    carriers: Any = mark.key.carriers
    scheme: Any = mark.key.scheme
    rng, signs, copied = np.random.default_rng(seed), 2 * mark.message - 1, copy.deepcopy(host)
    for run in carriers.runs:
        weight = layers.weight(copied, run.layer).detach()
        rows, scale = weight.flatten(1), float(weight.std())
        for block in run.blocks():
            where, sign = run.assigned(block, carriers.bits)
            size = {
                "one size": np.ones(len(where)),
                "uniform": np.sqrt(3) * rng.random(len(where)),
                "normal": np.abs(rng.standard_normal(len(where))),
            }[drawn]
            change = scheme.strength * scale * size * sign * signs[where]
            rows[block] += torch.from_numpy(change.reshape(-1, run.width)).to(rows)
    return copied


if __name__ == "__main__":
    torch.set_num_threads(1)
    tables = {"readings": readings, "sizes": sizes}
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("spread-enemies.nets")
    print(tables[sys.argv[1]](Bench(Grid(), 0, folder)))
