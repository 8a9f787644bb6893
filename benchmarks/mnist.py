"""LeNet-5 on MNIST: what a mark costs and what survives the attacks of the two papers.

Run: ``python benchmarks/mnist.py idx:DIR -o benchmarks/results/mnist.jsonl [--seeds 0 1 2]`` (about 15 CPU minutes a seed);
``--table`` prints the tables from the rows alone. DIR holds the four IDX files.
"""

import copy
from collections.abc import Callable
from typing import Any

from torch import nn

from _study import Rows, command, reading, secret
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import NotEmbeddedError
from modelmark.marks.embedding import embed
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, stepped, suggest
from modelmark.training.task import Task, accuracy

HOST = suggest(samples=60000, normalised=False, trained=False, picture=False)
LATER = suggest(samples=60000, normalised=False, trained=True, picture=False)
A6_CONTINUATION = stepped(((1, 1e-3), (4, 1e-4), (3, 1e-5), (2, 1e-6)), batch=100, nesterov=False)
"""The literal continuation: the rate goes on falling by its absolute epoch; 60 epochs in the paper, a sixth of it here."""


def attacked(model: nn.Module, task: Task, seed: int, *, forms: tuple[str, ...]) -> dict[str, Callable[[], nn.Module]]:
    attacks: dict[str, Any] = {}
    for rate in (0.001, 0.01):
        for form in forms if rate == 0.01 else [form for form in forms if form.endswith("al")]:
            attacks[f"{form} {rate:g}"] = FineTune(form=form, rate=rate)
    for scope in ("layer", "global"):
        for amount in (0.5, 0.65):
            attacks[f"prune {amount:.0%} {scope}"] = Prune(amount, scope)
    return {name: (lambda attack=attack: attack(model, task, seed=seed)) for name, attack in attacks.items()}


def study(rows: Rows, task: Task, seed: int) -> None:
    cache: dict[str, nn.Module] = {}
    fresh = build("lenet5", task.feed.input_shape, task.feed.classes, seed=seed)

    def host() -> nn.Module:
        if "host" not in cache:
            cache["host"] = fit(fresh, task, HOST, seed=seed)
        return cache["host"]

    rows.measure({"seed": seed, "model": "unmarked"}, lambda: {"accuracy": accuracy(host(), task)})

    def mark(scheme: Any) -> Mark:  # a bar of 53 lets the key of 133 bits through; rows still judge by 64
        return keygen(scheme, fresh, task.feed, secret=secret("mnist", seed), policy=KeyPolicy(bar=53)).mark()

    adi, uchida, third = mark(Adi()), mark(Uchida(bits=200)), mark(Uchida(bits=133))
    modes: list[tuple[str, Mark, Callable[[], nn.Module], Callable[[], Task], Recipe, int]] = [
        ("adi scratch", adi, lambda: fresh, lambda: task, HOST, 3),
        ("adi pretrained", adi, host, lambda: task, LATER, 3),
        ("adi pretrained, A6 continuation", adi, host, lambda: task, A6_CONTINUATION, 1),
        ("uchida scratch", uchida, lambda: fresh, lambda: task, HOST, 3),
        ("uchida pretrained", uchida, host, lambda: task, LATER, 3),
        ("uchida distilled", uchida, host, lambda: task.distilled(host()), LATER, 3),
        ("uchida scratch, T = M/3", third, lambda: fresh, lambda: task, HOST, 3),
    ]
    for name, which, start, data_of, recipe, rounds in modes:

        def embedded(
            which=which, start=start, data_of=data_of, recipe=recipe, rounds=rounds, name=name
        ) -> dict[str, Any]:
            try:
                done = embed(start(), [which], data_of(), recipe, seed=seed, rounds=rounds)
            except NotEmbeddedError as error:
                return {"refused": str(error)}
            cache[name] = done.model
            return {
                "accuracy": done.accuracy_after,
                "rounds": done.rounds,
                "margin": round(done.reached[0].margin, 3),
                **reading(which, done.model),
            }

        row = rows.measure({"seed": seed, "model": name, "attack": "none"}, embedded)
        if "refused" in row or name == "uchida distilled":
            continue
        if name not in cache:  # measured by an earlier run: train the same model again only if a cell is missing
            cache[name] = nn.Identity()
        known = {r["attack"] for r in rows.rows if r.get("seed") == seed and r.get("model") == name and "attack" in r}
        forms = ("ftll", "ftal", "rtll", "rtal") if which is adi else ("ftal",)  # the head plays no part in uchida
        names = list(attacked(fresh, task, seed, forms=forms))
        if isinstance(cache[name], nn.Identity) and not set(names) <= known:
            embedded()
        marked = cache[name]
        for attack, run in attacked(marked, task, seed, forms=forms).items():

            def survived(run=run, which=which, marked=marked, attack=attack) -> dict[str, Any]:
                after = run()
                result = {"accuracy": accuracy(after, task), **reading(which, after)}
                if attack.startswith("rt") and which is adi:
                    result["with_marked_head"] = reading(which, layers.with_head(after, marked.state_dict()))["matches"]
                    result["with_host_head"] = reading(which, layers.with_head(after, host().state_dict()))["matches"]
                return result

            rows.measure({"seed": seed, "model": name, "attack": attack}, survived)
    if "adi pretrained" in cache and not isinstance(cache["adi pretrained"], nn.Identity):
        head_leak(rows, task, seed, adi, host(), cache)


def head_leak(rows: Rows, task: Task, seed: int, adi: Mark, host: nn.Module, cache: dict[str, nn.Module]) -> None:
    """How many triggers an unmarked model matches once it is given the head of the marked one."""
    for name in ("adi scratch", "adi pretrained"):
        donor = cache[name].state_dict()
        rows.measure(
            {"seed": seed, "model": "unmarked host", "head_of": name},
            lambda donor=donor: reading(adi, layers.with_head(copy.deepcopy(host), donor)),
        )


def table(rows: Rows) -> None:
    names = list(dict.fromkeys((row["model"], row.get("attack", row.get("head_of", ""))) for row in rows.rows))
    print(f"{'model':34} {'attack':18} {'accuracy %':>22} {'matches':>22}  {'gross bits, each seed'}")
    for model, attack in names:
        group = [r for r in rows.rows if r["model"] == model and r.get("attack", r.get("head_of", "")) == attack]
        accuracies = " ".join(f"{100 * r['accuracy']:.2f}" for r in group if "accuracy" in r)
        matches = " ".join(f"{r['matches']}/{r['trials']}" for r in group if "matches" in r)
        bits = " ".join(str(r.get("gross_bits", "-")) for r in group)
        heads = " ".join(f"{r['with_marked_head']}|{r['with_host_head']}" for r in group if "with_host_head" in r)
        refused = next((r["refused"] for r in group if "refused" in r), "")
        print(
            f"{model:34} {attack:18} {accuracies:>22} {matches:>22}  {bits} {heads and 'heads marked|host ' + heads} {refused}"
        )


if __name__ == "__main__":
    command(__doc__, "mnist", study, table)
