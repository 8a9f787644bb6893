"""``spread``: what the mark costs in each of its ways into a network, and what attacks leave of it.

Run: ``python benchmarks/spread.py cnn digits``, ``lenet5 idx:mnist``, ``resnet8 images:cifar10-jpeg.tar.xz``, ``vit digits``;
``--seeds 0 1 2 --cache FOLDER``. Rows go to benchmarks/results/spread.jsonl, and with ``tables.py`` into docs/schemes/spread.md.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _rows import Row
from _study import Rows, secret
from _vit import vit
from modelmark import data
from modelmark.attacks import attack_class
from modelmark.errors import ModelmarkError
from modelmark.evidence.evidence import Evidence
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint, initialise
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.networks.layers import is_normalised
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, annealed, suggest
from modelmark.training.task import Task, accuracy

RESULTS = Path("benchmarks/results/spread.jsonl")
NETS = ("cnn", "lenet5", "resnet8", "vit")
THIEF = {"lenet5": 10_000, "resnet8": 20_000}
"""Training images that the attacker has; of the digits 30 %."""
OTHERS = 20
"""Further keys of the same host whose cost is measured."""
BORN = {"cnn": 20, "lenet5": 3, "resnet8": 3, "vit": 1}
"""Seeds whose network is trained twice, from a fresh start and from one with the mark in its signs."""
STRUCTURAL = ("prune-channels", "permute", "rescale", "dummy")
ATTACKS: tuple[tuple[str, dict[str, Any]], ...] = (
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
    ("quantise", {"bits": 4}),
    ("overwrite", {"scheme": "spread", "epochs": 10}),
    ("overwrite", {"scheme": "uchida", "epochs": 20}),
    ("collude", {}),
    ("chain", {"steps": "prune-tune"}),
    ("chain", {"steps": "prune(amount=0.9)+finetune(rate=0.05, epochs=10)"}),
)


@dataclass
class Bench:
    """One network and seed.

    Args:
        rows: measured already.
        task: the owner's.
        net: one of ``NETS``.
        seed: of everything but keys.
        cache: folder for trained networks, or None.
    """

    rows: Rows
    task: Task
    net: str
    seed: int
    cache: Path | None

    @cached_property
    def fresh(self) -> nn.Module:
        """The network before training."""
        feed = self.task.feed
        if self.net == "vit":
            return vit(feed.input_shape, feed.classes, seed=self.seed)
        return build(self.net, feed.input_shape, feed.classes, seed=self.seed)

    @cached_property
    def thief(self) -> Task:
        """What the attacker has."""
        if self.net in THIEF:
            return self.task.subset(THIEF[self.net], seed=self.seed + 1)
        return self.task.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]

    @cached_property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        if self.net == "cnn":
            return annealed(20, 0.05, batch=64, clip=1.0)
        if self.net == "vit":
            return annealed(30, 0.02, batch=64, clip=1.0)
        picture = min(self.task.feed.input_shape[-2:]) >= 32
        return suggest(
            samples=len(self.task.train_inputs), normalised=is_normalised(self.fresh), trained=False, picture=picture
        )

    def trained(self, name: str, start: nn.Module, recipe: Recipe | None = None, seed: int | None = None) -> nn.Module:
        """Return ``start`` after training, or what an earlier run kept under the name."""
        path = self.cache / f"{self.net}-{self.seed}-{name}.safetensors" if self.cache else None
        if path and path.exists():
            kept = copy.deepcopy(start)
            weights.apply(kept, weights.load(path), what=str(path))
            return kept.eval()
        made = fit(start, self.task, recipe or self.recipe, seed=self.seed if seed is None else seed)
        if path:
            weights.save(made, path)
        return made

    @cached_property
    def host(self) -> nn.Module:
        """The network, trained, without a mark."""
        return self.trained("host", self.fresh)

    @cached_property
    def marked(self) -> nn.Module:
        """The host with the mark pushed in."""
        return imprint(self.host, self.mark(0))

    def mark(self, number: int) -> Mark:
        """Return the mark of one of the host's keys."""
        owner = Provenance(host=weights.digest(self.host.state_dict()))
        named = secret("spread", self.net, self.seed, number)
        return keygen(Spread(), self.host, self.task.feed, secret=named, owner=owner).mark()

    def measure(self, way: str, attack: str, measure: Callable[[], Row]) -> None:
        """Add the row of one way into the network under one attack."""
        self.rows.measure({"net": self.net, "seed": self.seed, "way": way, "attack": attack}, measure)

    def read(self, model: nn.Module, *, host: bool = True) -> Row:
        """Return accuracy and evidence, without the host and against it."""
        mark, row = self.mark(0), {"accuracy": accuracy(model, self.task)}
        for name, against in (("blind", None), ("against", self.host))[: 1 + host]:
            try:
                found = mark.evidence(WhiteBox(model), align_to=against)
            except ModelmarkError as error:
                row[name] = {"unreadable": str(error)}
                continue
            assert isinstance(found, Evidence)
            row[name] = {"matches": found.matches, "trials": found.trials, "net": round(found.net_bits, 1)}
        return row


def ways(bench: Bench) -> None:
    """Measure what each way into the network costs."""
    bench.measure("unmarked", "none", lambda: bench.read(bench.host))
    mark, host = bench.mark(0), bench.host

    def pushed() -> Row:
        started = time.process_time()
        bench.marked = imprint(host, mark)
        taken = time.process_time() - started
        return bench.read(bench.marked) | {"marking_s": round(taken, 3)}

    bench.measure("data-free", "none", pushed)
    bench.measure("data-free, other keys", "none", lambda: others(bench))
    if bench.net == "cnn":
        born = copy.deepcopy(bench.fresh)
        initialise(born, bench.mark(0))
        decay = replace(bench.recipe, weight_decay=5e-3)
        sibling = {"seed": bench.seed + 100}
        bench.measure(
            "a sibling", "none", lambda: bench.read(bench.trained("sibling", born, None, **sibling), host=False)
        )
        bench.measure("weight decay", "none", lambda: bench.read(bench.trained("decay", born, decay), host=False))
        hooked = lambda: embed(bench.fresh, [bench.mark(0)], bench.task, bench.recipe, seed=bench.seed).model  # noqa: E731
        bench.measure("hooks", "none", lambda: bench.read(hooked(), host=False))


def others(bench: Bench) -> Row:
    """Return what further keys cost the host."""
    kept = [accuracy(imprint(bench.host, bench.mark(number)), bench.task) for number in range(1, OTHERS + 1)]
    return {"accuracy": statistics.mean(kept), "each": kept}


def birth(bench: Bench) -> None:
    """Measure a network whose start has the mark in its signs, beside the one without."""

    def born() -> Row:
        start = copy.deepcopy(bench.fresh)
        initialise(start, bench.mark(0))
        return bench.read(bench.trained("born", start), host=False)

    bench.measure("unmarked, accuracy alone", "none", lambda: {"accuracy": accuracy(bench.host, bench.task)})
    bench.measure("data-free, other keys", "none", lambda: others(bench))
    bench.measure("at birth", "none", born)


def attacked(bench: Bench) -> None:
    """Measure what attacks leave of the copy marked without data."""
    for name, settings in ATTACKS:
        if bench.net == "vit" and (name in STRUCTURAL or settings.get("scheme") == "uchida"):
            continue  # channels are not followed through attention
        said = ", ".join(f"{key}={value}" for key, value in settings.items())

        def measure(name: str = name, settings: dict[str, Any] = settings) -> Row:
            stolen: nn.Module | Sequence[nn.Module] = bench.marked
            if name == "collude":
                stolen = [bench.marked, imprint(bench.host, bench.mark(1))]
            try:
                return bench.read(attack_class(name)(**settings)(stolen, bench.thief, seed=bench.seed))
            except ModelmarkError as error:
                return {"refused": str(error)}

        bench.measure("data-free", f"{name} {said}".strip(), measure)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=NETS)
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--parts", nargs="+", choices=("ways", "birth", "attacks"), default=("ways", "attacks", "birth")
    )
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    rows = Rows(arguments.output)
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load(arguments.data))
    parts = {"ways": ways, "attacks": attacked, "birth": birth}
    for part in arguments.parts:
        for seed in range(BORN[arguments.net]) if part == "birth" else arguments.seeds:
            parts[part](Bench(rows, task, arguments.net, seed, arguments.cache))


if __name__ == "__main__":
    main()
