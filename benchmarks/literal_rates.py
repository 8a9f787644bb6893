"""What the papers' literal variants read in unmarked models: the rates that their evidence has to be held against.

Run: ``python benchmarks/literal_rates.py -o benchmarks/results/literal_rates.jsonl`` (about ten CPU minutes): twenty networks
on digits that nobody marked, ten keys a variant (one where a key has to be selected by marking a model first).
``--draw docs/img/literal-rates.svg`` draws the histograms from the rows (needs matplotlib).
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _study import Rows, secret
from modelmark import data
from modelmark.keys import Mark, keygen
from modelmark.models import build
from modelmark.recipe import suggest
from modelmark.schemes.adi import Adi
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox, select
from modelmark.schemes.null import Null
from modelmark.schemes.uchida import Uchida
from modelmark.suspect import WhiteBox
from modelmark.task import Task, accuracy
from modelmark.training import fit

NETWORKS, KEYS = 20, 10
VARIANTS: dict[str, Any] = {
    "adi, labels from the key": Adi(message="secret"),
    "uchida, all ones, direct": Uchida(message="ones", projection="direct"),
    "deepsigns, bits from the key": DeepSigns(classes=1, bits=16, message="secret"),
    "deepsigns-blackbox, selected": DeepSignsBlackBox(keys=200, pool=2, message="secret"),
    "coupled, one label, direct": Coupled(message="literal"),
    "coupled, one label, overlay": Coupled(message="literal", fusion="overlay"),
    "null, signed": Null(message="signature"),
}


def marks(variant: str, task: Task, first: nn.Module) -> Iterator[Mark]:
    """Yield the keys of a variant; the selected one is made from the first network, which it is not held against."""
    scheme = VARIANTS[variant]
    for number in range(1 if variant.endswith("selected") else KEYS):
        key = keygen(scheme, first, task.interface, task=task, secret=secret("literal", variant, number))
        if variant.endswith("selected"):
            recipe = suggest(samples=len(task.train_inputs), normalised=False, trained=True, picture=False)
            embedded = fit(first, task, recipe, seed=0, embedding=key.mark().embedding)
            before, after = (
                key.scheme.extract(key.carriers, WhiteBox(model, task.interface.classes), task.interface).values
                for model in (first, embedded)
            )
            chosen, attachments = select(key.scheme, key.attachments, key.mark().message, before, after, 20)
            key = replace(key, scheme=chosen, attachments=attachments)
        yield key.mark()


def measure(rows: Rows) -> None:
    task = Task.from_dataset(data.load("digits"))
    recipe = suggest(samples=len(task.train_inputs), normalised=False, trained=False, picture=False)
    networks = [
        fit(build(arch, task.interface.input_shape, task.interface.classes, seed=seed), task, recipe, seed=seed)
        for seed in range(NETWORKS // 2 + 1)
        for arch in ("cnn", "mlp")
    ]
    same = networks[::2]
    for variant in VARIANTS:
        whitebox = VARIANTS[variant].access == "white-box"  # reads one architecture
        suspects = (same if whitebox else networks)[1 : NETWORKS + 1]

        def study(variant: str = variant, suspects: list[nn.Module] = suspects) -> dict[str, Any]:
            rates = [
                [found.matches / found.trials for found in (mark.evidence(WhiteBox(s, 10)) for s in suspects)]
                for mark in marks(variant, task, networks[0])
            ]
            return {"rates": rates, "accuracies": [accuracy(suspect, task) for suspect in suspects]}

        rows.measure({"variant": variant}, study)


def draw(rows: Rows, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(rows.rows), 1, figsize=(7, 1.35 * len(rows.rows)), sharex=True, layout="constrained"
    )
    for axis, row in zip(axes, rows.rows, strict=True):
        rates = [rate for key in row["rates"] for rate in key]
        axis.hist(rates, bins=[i / 40 for i in range(42)], color="#4a6fa5")
        models = len(row["rates"][0])
        axis.set_title(
            f"{row['variant']}: {len(row['rates'])} keys on {models} unmarked models", fontsize=9, loc="left"
        )
        axis.set_ylabel("readings", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlim(0, 1.02)
    axes[-1].set_xlabel("share of symbols as the mark expects", fontsize=9)
    plt.rcParams["svg.hashsalt"] = "modelmark"
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/literal_rates.jsonl"))
    parser.add_argument("--draw", type=Path, help="draw the histograms of the rows into this file")
    arguments = parser.parse_args()
    rows = Rows(arguments.output)
    if arguments.draw:
        draw(rows, arguments.draw)
        return
    torch.set_num_threads(1)
    measure(rows)


if __name__ == "__main__":
    main()
