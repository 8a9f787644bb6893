"""Transformers of a million weights: what each mark costs in them, and what attacks leave of it.

Run: ``python benchmarks/language.py vit --seeds 0 1 2``, ``bert``, ``gpt2``, ``llama``. Rows go to
benchmarks/results/language.jsonl, one for each measurement, and are not measured again; networks stay in ``--cache FOLDER``.
``tables.py`` makes docs/language.md of them.

A base is trained for half of the epochs and the host from it for the other half. Each scheme goes into a copy of the host alone,
which says what it costs; then all of them into one network, which is attacked. A thief has other rows of the same text.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

import _tiny
from _study import Rows, reading, secret
from modelmark import options
from modelmark.attacks import ATTACKS, attack_class
from modelmark.attacks.serving import answered, prompted, served, whole
from modelmark.errors import ModelmarkError
from modelmark.evidence.evidence import Evidence
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.schemes import SCHEMES, scheme_class
from modelmark.suspects import weights
from modelmark.suspects.function import BlackBox
from modelmark.training.loop import fit
from modelmark.training.task import Task, accuracy, perplexity

RESULTS = Path("benchmarks/results/language.jsonl")
MARKS: dict[str, dict[str, Any]] = {
    "uchida": {},
    "spread": {},
    "deepsigns": {},
    "adi": {},
    "answers": {},
}
"""Schemes with their settings; one that is not there, or does not apply, is a row that says so."""
SIZES = {"gpt2": (1000, 400, 150), "llama": (1000, 400, 150), "bert": (1200, 400, 500)}
"""Rows of an owner, of a thief, and of the test."""
EPOCHS = {"vit": 20, "bert": 4, "gpt2": 4, "llama": 4}
"""Of base and host together."""
ATTACKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("permute-heads", {}),
    ("permute-units", {}),
    ("permute-stream", {}),
    ("rotate-stream", {}),
    ("scale-stream", {}),
    ("turn-heads", {}),
    ("paraphrase", {}),
    ("system-prompt", {}),
    ("filter-perplexity", {}),
    ("vote", {}),
    ("suppress-first", {"sure": 0.9}),
    ("suppress-first", {"sure": 0.5}),
    ("suppress-first", {"sure": 0.0}),
    ("instruct", {"epochs": 2, "batch": 16}),
    ("distil-text", {"rows": 400, "epochs": 4}),
    ("meraser", {"epochs": 1, "recovery": 2, "batch": 16}),
    ("prune-depth", {"blocks": 1, "epochs": 2, "batch": 16}),
    ("prune-heads", {"amount": 0.25, "epochs": 2, "batch": 16}),
    ("qlora", {"rank": 8, "epochs": 2, "batch": 16}),
    ("finetune", {"rate": 0.02, "epochs": 2, "batch": 16}),
    ("refit", {"peak": 0.1, "epochs": 2, "batch": 16}),
    ("lora", {"rank": 8, "epochs": 2, "batch": 16}),
    ("merge", {"how": "linear", "epochs": 2, "batch": 16}),
    ("merge", {"how": "slerp", "epochs": 2, "batch": 16}),
    ("merge", {"how": "ties", "epochs": 2, "batch": 16}),
    ("merge", {"how": "dare", "epochs": 2, "batch": 16}),
    ("merge", {"how": "arithmetic", "epochs": 2, "batch": 16}),
    ("prune", {"amount": 0.5}),
    ("quantise", {"bits": 8}),
    ("quantise", {"bits": 4}),
    ("int8", {}),
    ("to-torchao", {"weights": "int4"}),
    ("to-bnb", {"weights": "nf4"}),
    ("distil", {"epochs": 8}),
)


class Bench:
    """One network of one seed, and all that is made of it, each once.

    Args:
        net: its name.
        seed: of its weights.
        rows: where measurements go.
        cache: where networks stay.
    """

    def __init__(self, net: str, seed: int, rows: Rows, cache: Path) -> None:
        self.net, self.seed, self.rows, self.cache = net, seed, rows, cache
        self.cell = {"net": net, "seed": seed}
        self.owner, self.thief = _tiny.NETS[net][1](*SIZES.get(net, ()))
        self.epochs = EPOCHS[net]

    @cached_property
    def base(self) -> nn.Module:
        """The published network that the owner trains on from."""
        recipe = _tiny.trained_by(self.net, epochs=self.epochs // 2)
        return self._kept(
            "base", lambda: fit(_tiny.drawn(self.net, seed=self.seed), self.owner, recipe, seed=self.seed)
        )

    @cached_property
    def host(self) -> nn.Module:
        """The owner's network, unmarked."""
        recipe = _tiny.trained_by(self.net, epochs=self.epochs - self.epochs // 2)
        return self._kept("host", lambda: fit(self.base, self.owner, recipe, seed=self.seed + 1))

    @cached_property
    def control(self) -> nn.Module:
        """The host trained as long as an embedding takes, without a mark."""
        return self._kept("control", lambda: fit(self.host, self.owner, self._embedding(), seed=self.seed + 2))

    def mark(self, scheme: str) -> Mark:
        """Return the mark of the owner's key, which anybody can repeat.

        Raises:
            ModelmarkError: the scheme is none, or not for this network.
        """
        made = options.make(scheme_class(scheme), MARKS[scheme])
        return keygen(
            made, self.host, self.owner.feed, task=self.owner, secret=secret("language", self.net, self.seed, scheme),
            owner=Provenance(host=weights.digest(self.host.state_dict())),
        ).mark()  # fmt: skip

    def marked(self, *schemes: str) -> nn.Module:
        """Return the host with these marks, those that need no data last."""
        trained = [scheme for scheme in schemes if scheme != "spread"]

        def make() -> nn.Module:
            if "spread" in schemes:
                return imprint(self.marked(*trained) if trained else self.host, self.mark("spread"))
            marks = [self.mark(scheme) for scheme in trained]
            return embed(self.host, marks, self.owner, self._embedding(), seed=self.seed + 2).model

        return self._kept("-".join(("marked", *schemes)), make)

    def _embedding(self) -> Any:
        peak = 2e-3 if self.owner.feed.kind == "causal" else 5e-4  # language models are far from trained out
        return _tiny.trained_by(self.net, epochs=max(self.epochs // 3, 2), peak=peak)

    def _kept(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        path = self.cache / f"{self.net}-{self.seed}-{name}.pt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(make().state_dict(), path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
        model = _tiny.drawn(self.net, seed=self.seed)
        model.load_state_dict(torch.load(path, weights_only=True))
        return model


def use(model: nn.Module, task: Task) -> dict[str, float]:
    """Return what a network is good for."""
    return {"accuracy": round(accuracy(model, task), 5), "perplexity": round(perplexity(model, task), 4)}


def fidelity(bench: Bench, schemes: list[str]) -> list[str]:
    """Measure the host and each mark alone, and return the schemes that went in."""
    bench.rows.measure({**bench.cell, "what": "host"}, lambda: {
        "weights": _tiny.weights(bench.host), "base": use(bench.base, bench.owner), **use(bench.host, bench.owner),
        "control": use(bench.control, bench.owner),
    })  # fmt: skip
    went = []
    for scheme in schemes:
        if scheme in SCHEMES:
            row = bench.rows.measure({**bench.cell, "what": "marked", "scheme": scheme}, lambda: _alone(bench, scheme))  # noqa: B023
            went += [scheme] if row["verdict"] == "established" else []
    return went


def _alone(bench: Bench, scheme: str) -> dict[str, Any]:
    try:
        model, mark = bench.marked(scheme), bench.mark(scheme)
    except (ModelmarkError, ValueError, RuntimeError) as error:
        return {"verdict": "does not apply", "reason": f"{type(error).__name__}: {str(error)[:200]}"}
    return {**use(model, bench.owner), **reading(mark, model, align_to=bench.host)}


def attacks(bench: Bench, schemes: list[str]) -> None:
    """Attack the network that carries all marks, and read each."""
    together = bench.marked(*schemes)
    marks = {scheme: bench.mark(scheme) for scheme in schemes}
    bench.rows.measure({**bench.cell, "what": "together", "schemes": schemes}, lambda: {
        **use(together, bench.owner), "marks": _read(marks, together, bench)
    })  # fmt: skip
    for name, settings in ATTACKED:
        if name in ATTACKS:
            cell = {**bench.cell, "what": "attacked", "schemes": schemes, "attack": name, "settings": settings}
            bench.rows.measure(cell, lambda: _attacked(bench, name, settings, together, marks))  # noqa: B023


def _attacked(
    bench: Bench, name: str, settings: dict[str, Any], together: nn.Module, marks: dict[str, Mark]
) -> dict[str, Any]:
    try:
        attack: Any = options.make(attack_class(name), settings)
        if attack.kind == "evasion":
            return _filtered(bench, attack, together, marks)
        given = [together, bench.base] if attack.kind == "collusion" else together
        model = attack(given, bench.thief, seed=bench.seed + 7)
    except (ModelmarkError, RuntimeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {str(error)[:200]}"}
    return {**use(model, bench.owner), "marks": _read(marks, model, bench)}


def _filtered(bench: Bench, attack: Any, together: nn.Module, marks: dict[str, Mark]) -> dict[str, Any]:
    plain = served(together, bench.owner.feed)
    api = attack(plain, bench.thief, seed=bench.seed + 7)
    found: dict[str, Any] = {
        "before": round(answered(plain, bench.owner), 5),
        "accuracy": round(answered(api, bench.owner), 5),
    }
    if bench.owner.feed.kind == "causal":
        rows, right = whole(bench.owner)
        for name, asked in (("perplexity_before", plain), ("perplexity", api)):
            told = asked(rows).gather(1, right[:, None]).double()
            found[name] = (
                round(float(torch.exp(-told.mean())), 4) if torch.isfinite(told).all() else None
            )  # never given
    suspect = prompted(api) if bench.owner.feed.kind == "causal" else api
    asked_marks = {scheme: mark for scheme, mark in marks.items() if mark.key.access == "black-box"}
    return {
        **found,
        "marks": {scheme: _plain(mark.evidence(BlackBox(suspect))) for scheme, mark in asked_marks.items()},
    }


def _plain(found: Any) -> dict[str, Any]:
    numbers = {"matches": found.matches, "trials": found.trials, "verdict": found.verdict}
    return numbers | ({"net_bits": round(found.net_bits, 1)} if isinstance(found, Evidence) else {})


def _read(marks: dict[str, Mark], model: nn.Module, bench: Bench) -> dict[str, Any]:
    found = {}
    for scheme, mark in marks.items():
        try:
            found[scheme] = reading(mark, model, align_to=bench.host)
        except ModelmarkError:
            try:
                found[scheme] = reading(mark, model)
            except ModelmarkError as error:
                found[scheme] = {"verdict": "not readable", "reason": str(error)[:200], "net_bits": 0.0}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="+", choices=_tiny.NETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--schemes", nargs="+", choices=MARKS, default=list(MARKS), help="that are put in and attacked")
    parser.add_argument("--cache", type=Path, default=Path("build/language"))
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows = Rows(arguments.output)
    for net in arguments.nets:
        for seed in arguments.seeds:
            bench = Bench(net, seed, rows, arguments.cache)
            attacks(bench, fidelity(bench, arguments.schemes))


if __name__ == "__main__":
    main()
