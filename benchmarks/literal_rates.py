"""What the papers' literal variants read in unmarked models: the rates that their evidence has to be held against.

Run: ``python benchmarks/literal_rates.py -o benchmarks/results/literal_rates.jsonl`` (about ten CPU minutes): twenty networks
on digits that nobody marked (ten cnn, ten mlp), ten keys a variant (one where a key is selected by marking a model first).
``--draw docs/img/literal-rates.svg`` draws the histograms from the rows (needs matplotlib).
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from _study import Rows, secret
from modelmark import data
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import read
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.base import access_of
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox, select
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task

NETWORKS, KEYS = 20, 10
VARIANTS: dict[str, Any] = {
    "adi, labels from the key": Adi(message="secret"),
    "uchida, all ones, direct": Uchida(message="ones", projection="direct"),
    "deepsigns, bits from the key": DeepSigns(classes=1, bits=16, message="secret"),
    "deepsigns-blackbox, selected": DeepSignsBlackBox(keys=200, pool=2, message="secret"),
    "coupled, one label, direct": Coupled(message="literal"),
    "coupled, one label, overlay": Coupled(message="literal", fusion="overlay"),
    "null, signed": NullEmbedding(message="signature"),
}


def mark(variant: str, task: Task, first: nn.Module, number: int) -> Mark:
    """Return a key of a variant for networks like ``first``; the selected one is made by marking ``first``."""
    scheme = VARIANTS[variant]
    key = keygen(scheme, first, task.feed, task=task, secret=secret("literal", variant, number))
    if isinstance(scheme, DeepSignsBlackBox):
        recipe = suggest(samples=len(task.train_inputs), normalised=False, trained=True, picture=False)
        embedded = fit(first, task, recipe, seed=0, hooks=key.mark().hooks)
        before, after = (read(key.carriers, WhiteBox(model)).scores[0].symbols for model in (first, embedded))
        chosen, attachments = select(key.scheme, key.attachments, key.mark().message, before, after, 20)
        key = replace(key, scheme=chosen, attachments=attachments)
    return key.mark()


def measure(rows: Rows) -> None:
    task = Task.from_dataset(data.load("digits"))
    recipe = suggest(samples=len(task.train_inputs), normalised=False, trained=False, picture=False)
    networks = {
        arch: [
            fit(build(arch, task.feed.input_shape, task.feed.classes, seed=seed), task, recipe, seed=seed)
            for seed in range(1 + NETWORKS // 2)
        ]
        for arch in ("cnn", "mlp")
    }  # the first of each makes keys and is not read
    for variant, scheme in VARIANTS.items():

        def study(variant: str = variant, scheme: Any = scheme) -> dict[str, Any]:
            rates = []
            for number in range(1 if isinstance(scheme, DeepSignsBlackBox) else KEYS):
                shared = None if access_of(scheme) == "white-box" else mark(variant, task, networks["cnn"][0], number)
                found = []
                for first, *suspects in networks.values():
                    own = shared or mark(variant, task, first, number)
                    found += [own.evidence(WhiteBox(suspect)) for suspect in suspects]
                rates.append([reading.matches / reading.trials for reading in found])
            return {"rates": rates}

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
