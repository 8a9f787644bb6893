"""Every scheme and variant on one network: what a mark costs, how strong it is, and what it survives.

Run: ``python benchmarks/schemes.py idx:DIR --net lenet5 [--seeds 0 1 2] [--variants deepsigns ...] [--cache DIR]``; the same
with ``--net mlp``, and ``images:cifar10-jpeg.tar.xz --net resnet8 --seeds 0``. About a CPU minute a row of *none*, seconds a
row of an attack. With ``--cache`` trained networks are kept, so that rows added later need no training.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _attackers import afresh, live_means, overwritten
from _study import Rows, reading, secret
from modelmark import data
from modelmark.align.alignment import align
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.symmetries.dummy import Dummy
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import CapacityError, ModelmarkError, NotEmbeddedError
from modelmark.marks.embedding import embed, reach
from modelmark.marks.keys import KeyPolicy, Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Unread
from modelmark.models import build
from modelmark.networks.layers import is_normalised
from modelmark.schemes.adi import Adi
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox, select
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, constant, suggest
from modelmark.training.task import Task, accuracy

VARIANTS: dict[str, Any] = {
    "adi": Adi(),
    "uchida": Uchida(),
    "deepsigns": DeepSigns(),
    "uchida, trained host": Uchida(),
    "deepsigns, trained host": DeepSigns(),
    "deepsigns literal": DeepSigns(
        classes=1, bits=16, separation=0.01, norm=0.01, strength=0.01, margin=0.0, message="secret"
    ),
    "deepsigns-blackbox": DeepSignsBlackBox(),
    "deepsigns-blackbox literal": DeepSignsBlackBox(keys=200, pool=10, message="secret"),
    "coupled": Coupled(),
    "coupled, repeats 16": Coupled(repeats=16),
    "coupled overlay": Coupled(fusion="overlay", ratio=0.75),
    "coupled literal": Coupled(message="literal"),
    "null": NullEmbedding(),
    "null literal": NullEmbedding(message="signature"),
}
PRUNED = (0.2, 0.4, 0.5, 0.65, 0.8, 0.9, 0.95)
REPARAMETRISED: dict[str, Any] = {"permute": Permute(), "rescale": Rescale(), "dummy": Dummy()}
SELECTED = 20
UNALIGNED = Unread("as it is: in the row above")
THIEF = {"mlp": 10_000, "lenet5": 10_000, "resnet8": 20_000}
"""Training images that the attacker has."""


@dataclass
class Bench:
    """One network and seed.

    Args:
        rows: measured already.
        task: the owner's.
        net: architecture.
        seed: of everything but keys.
        cache: folder for trained networks, or None.
        epochs: from scratch; 0: as ``embed`` decides.
        only: names of attacks to measure; empty: all.
    """

    rows: Rows
    task: Task
    net: str
    seed: int
    cache: Path | None
    epochs: int
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.fresh = build(self.net, self.task.feed.input_shape, self.task.feed.classes, seed=self.seed)
        self.thief = self.task.subset(THIEF[self.net], seed=self.seed + 1)
        self._made: dict[str, nn.Module] = {}

    def recipe(self, *, trained: bool, epochs: int) -> Recipe:
        """Return what ``embed`` would train with."""
        return suggest(
            samples=len(self.task.train_inputs), normalised=is_normalised(self.fresh), trained=trained,
            picture=min(self.task.feed.input_shape[-2:]) >= 32, epochs=epochs,
        )  # fmt: skip

    def kept(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """Return a network made before, in this run or (with a cache) in an earlier one."""
        if name not in self._made:
            path = self.cache and self.cache / f"{self.net}-{self.seed}-{name.replace(' ', '-')}.safetensors"
            if path and path.exists():
                self._made[name] = build(self.net, self.task.feed.input_shape, self.task.feed.classes, seed=0)
                weights.apply(self._made[name], weights.load(path), what=str(path))
                self._made[name].eval()
            else:
                self._made[name] = make()
                if path:
                    weights.save(self._made[name], path)
        return self._made[name]

    def host(self) -> nn.Module:
        """Return the unmarked network, trained from the same initial weights as the marked ones."""
        recipe = self.recipe(trained=False, epochs=self.epochs)
        return self.kept("host", lambda: fit(self.fresh, self.task, recipe, seed=self.seed))

    def mark(self, scheme: Any, *, owner: str = "owner") -> Mark:
        """Return the mark of a key that anybody can repeat; its host is committed."""
        name = f"{self.net}/{type(scheme).__name__}"
        if self.net == "mlp" and isinstance(scheme, Uchida):  # fc1, the widest, reads pixels, which nobody can permute
            scheme = replace(scheme, layer="fc2")
        host = self.host()
        return keygen(
            scheme, host, self.task.feed, task=self.task, secret=secret("schemes", name, owner, self.seed),
            owner=Provenance(host=weights.digest(host.state_dict())), policy=KeyPolicy(bar=30),
        ).mark()  # fmt: skip

    def cell(self, variant: str, attack: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the row of one variant under one attack."""
        return self.rows.measure({"net": self.net, "seed": self.seed, "variant": variant, "attack": attack}, measure)


def study(bench: Bench, variant: str) -> None:
    scheme = VARIANTS[variant]
    try:
        mark, make = prepared(bench, variant)
    except CapacityError as error:
        reason = str(error)
        bench.cell(variant, "none", lambda: {"refused": reason})
        return

    def none() -> dict[str, Any]:
        try:
            marked = bench.kept(variant, make)
        except NotEmbeddedError as error:
            return {"refused": str(error)}
        row = {
            "accuracy": accuracy(marked, bench.task),
            "margin": round(reach(mark, marked).margin, 3),
            **read(mark, marked),
            "unmarked": read(mark, bench.host()),
        }
        if mark.key.access == "white-box":
            row["aligned"] = read(mark, align(marked, bench.host(), bench.task.feed), also=[UNALIGNED])
        return row

    if "refused" in bench.cell(variant, "none", none):
        return
    other = bench.mark(scheme, owner="thief")
    for attack, attacked in attacks(bench, mark, other).items():
        if bench.only and attack not in bench.only:
            continue

        def measure(attack: str = attack, attacked: Callable[[nn.Module], nn.Module] = attacked) -> dict[str, Any]:
            after = attacked(bench.kept(variant, make))
            result = read(mark, after)
            if attack.startswith("overwrite"):
                result["thief"] = read(other, after)
            if attack in REPARAMETRISED:
                result["aligned"] = read(mark, align(after, bench.host(), bench.task.feed), also=[UNALIGNED])
            return {"accuracy": accuracy(after, bench.task), **result}

        bench.cell(variant, attack, measure)


def prepared(bench: Bench, variant: str) -> tuple[Mark, Callable[[], nn.Module]]:
    """Return the mark of a variant, and what makes the model that carries it."""
    mark = bench.mark(VARIANTS[variant])
    if variant == "deepsigns-blackbox literal":
        return literal_keys(bench, mark)

    def make() -> nn.Module:
        trained = variant.endswith("trained host")
        recipe = bench.recipe(trained=trained, epochs=bench.epochs)
        return embed(bench.host() if trained else bench.fresh, [mark], bench.task, recipe, seed=bench.seed).model

    return mark, make


def read(mark: Mark, model: nn.Module, **options: Any) -> dict[str, Any]:
    try:
        return reading(mark, model, **options)
    except ModelmarkError as error:
        return {"unreadable": str(error)}


def literal_keys(bench: Bench, candidates: Mark) -> tuple[Mark, Callable[[], nn.Module]]:
    """Return the paper's selected key and its model: two epochs on the trained host, then wrong before and right after."""

    def make() -> nn.Module:
        recipe = constant(2, 8e-4 if not is_normalised(bench.fresh) else 1e-2)
        return fit(bench.host(), bench.task, recipe, seed=bench.seed, hooks=candidates.hooks)

    key = candidates.key
    before, after = (
        candidates.read(WhiteBox(model)).scores[0].symbols
        for model in (bench.host(), bench.kept("deepsigns-blackbox literal", make))
    )
    scheme, attachments = select(key.scheme, key.attachments, candidates.message, before, after, SELECTED)
    return replace(key, scheme=scheme, attachments=attachments).mark(), make


def attacks(bench: Bench, mark: Mark, other: Mark) -> dict[str, Callable[[nn.Module], nn.Module]]:
    thief, seed = bench.thief, bench.seed
    chosen: dict[str, Any] = {f"ftal {rate:g}": FineTune(rate=rate) for rate in (1e-5, 1e-3, 1e-2)}
    chosen |= {f"prune {amount:.0%}": Prune(amount) for amount in PRUNED}
    if mark.key.access == "white-box":
        chosen |= REPARAMETRISED
    runs = {name: (lambda model, attack=attack: attack(model, thief, seed=seed)) for name, attack in chosen.items()}
    strong = bench.recipe(trained=True, epochs=5)
    if isinstance(mark.key.scheme, DeepSigns):
        runs["overwrite"] = lambda model: afresh(model, other, thief, strong, seed=seed)
        runs["overwrite gently"] = lambda model: live_means(model, other, thief, seed=seed)
    else:
        runs["overwrite"] = lambda model: overwritten(model, other, thief, strong, seed=seed)
        runs["overwrite gently"] = lambda model: overwritten(model, other, thief, constant(3, 1e-3), seed=seed)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("-o", "--output", type=Path, help="default: benchmarks/results/schemes.jsonl")
    parser.add_argument("--net", choices=sorted(THIEF), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--epochs", type=int, default=0, help="from scratch; 0: as embed decides")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--attacks", nargs="*", default=[], help="names of attacks; default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load(arguments.data))
    for seed in arguments.seeds:
        rows = Rows(arguments.output or Path("benchmarks/results/schemes.jsonl"))
        bench = Bench(rows, task, arguments.net, seed, arguments.cache, arguments.epochs, tuple(arguments.attacks))
        bench.cell("unmarked", "none", lambda bench=bench: {"accuracy": accuracy(bench.host(), task)})
        for variant in arguments.variants:
            study(bench, variant)


if __name__ == "__main__":
    main()
