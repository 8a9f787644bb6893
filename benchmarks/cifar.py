"""A small residual net on CIFAR-10 (re-encoded as JPEG, lossy): both marks apart and together, and what they survive.

Run: ``python benchmarks/cifar.py images:cifar10-jpeg.tar.xz -o benchmarks/results/cifar.jsonl [--seeds 0 1 2]`` (about 15 CPU
minutes a seed); ``--table`` prints the table from the rows alone.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from _study import Rows, command, reading, secret
from modelmark.attacks.base import Attack
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import NotEmbeddedError
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, suggest
from modelmark.training.task import Task, accuracy

ATTACKS: dict[str, Attack] = {
    "ftal 0.001": FineTune(rate=0.001),
    "ftal 0.01": FineTune(rate=0.01),
    "prune 50% layer": Prune(0.5, "layer"),
    "prune 50% global": Prune(0.5),
    "prune 65% global": Prune(0.65),
}


def study(rows: Rows, task: Task, seed: int) -> None:
    scratch, later = (
        suggest(samples=len(task.train_inputs), normalised=True, trained=trained, picture=True)
        for trained in (False, True)
    )
    fresh = build("resnet8", task.feed.input_shape, task.feed.classes, seed=seed)
    hosts: list[nn.Module] = []

    def host() -> nn.Module:
        if not hosts:
            hosts.append(fit(fresh, task, scratch, seed=seed))
        return hosts[0]

    def mark(scheme: Any) -> Mark:
        return keygen(scheme, fresh, task.feed, secret=secret("cifar", seed)).mark()

    adi, uchida = mark(Adi()), mark(Uchida())
    rows.measure({"seed": seed, "model": "unmarked", "attack": "none"}, lambda: {"accuracy": accuracy(host(), task)})
    modes: list[tuple[str, list[Mark], Callable[[], nn.Module], Recipe]] = [
        ("adi + uchida", [adi, uchida], lambda: fresh, scratch),
        ("adi", [adi], lambda: fresh, scratch),
        ("uchida", [uchida], lambda: fresh, scratch),
        ("adi + uchida, pretrained", [adi, uchida], host, later),
        ("uchida, pretrained", [uchida], host, later),
    ]
    for name, marks, start, recipe in modes:
        made: dict[str, nn.Module] = {}

        def embedded(marks: Any = marks, made: Any = made, start: Any = start, recipe: Any = recipe) -> dict[str, Any]:
            try:
                done = embed(start(), marks, task, recipe, seed=seed)
            except NotEmbeddedError as error:
                return {"refused": str(error)}
            made["marked"] = done.model
            read = {mark.key.scheme.name: reading(mark, done.model) for mark in marks}
            margins = {reached.scheme: round(reached.margin, 3) for reached in done.reached}
            return {"accuracy": done.accuracy_after, "rounds": done.rounds, "margins": margins, **read}

        rows.measure({"seed": seed, "model": name, "attack": "none"}, embedded)
        if seed == 0 and name == "adi + uchida":
            for title, attack in ATTACKS.items():
                rows.measure(
                    {"seed": seed, "model": name, "attack": title}, survived(attack, made, embedded, marks, task, seed)
                )


def survived(
    attack: Attack, made: dict[str, nn.Module], again: Callable[[], object], marks: list[Mark], task: Task, seed: int
) -> Callable[[], dict[str, Any]]:
    def measure() -> dict[str, Any]:
        if not made:
            again()
        after = attack(made["marked"], task, seed=seed)
        return {"accuracy": accuracy(after, task), **{m.key.scheme.name: reading(m, after) for m in marks}}

    return measure


def table(rows: Rows) -> None:
    print(f"{'model':14} {'attack':18} {'seed':>4} {'accuracy %':>10} {'adi':>18} {'uchida':>18} {'CPU s':>7} rounds")
    for row in sorted(rows.rows, key=lambda r: (r["model"], r["attack"], r["seed"])):
        cells = [
            f"{row[name]['matches']}/{row[name]['trials']} net {row[name]['net_bits']}" if name in row else ""
            for name in ("adi", "uchida")
        ]
        share = f"{100 * row['accuracy']:.2f}" if "accuracy" in row else "refused"
        print(
            f"{row['model']:14} {row['attack']:18} {row['seed']:4} {share:>10} {cells[0]:>18} {cells[1]:>18} "
            f"{row['cpu_s']:7} {row.get('rounds', '')}"
        )


if __name__ == "__main__":
    command(__doc__, "cifar", study, table)
