"""``spread`` and models that have no mark: a million drawn messages against every way of reading, and wrong keys.

Run: ``python benchmarks/spread_null.py [-o FILE]`` (some minutes on one core). Each row compares the share of draws with a tail
of 2^-1, 2^-4, 2^-8 and 2^-12 or less with the exact share, in standard errors. The charged best is what the product would call
evidence, the best of all readings after its charge: it may not reach b bits more often than 2^-b.
"""

import argparse
import copy
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from _study import Rows, secret
from modelmark import data, hashing
from modelmark.attacks import attack_class
from modelmark.evidence import stats
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Reading
from modelmark.models import build
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

RECIPE = annealed(20, 0.05, batch=64, clip=1.0)
LEVELS = (1, 4, 8, 12)
"""Bits at which the tail is compared."""
DRAWS, BLOCK, KEYS = 10**6, 50_000, 100


def messages(tag: str, trials: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield a million messages in blocks, ``(BLOCK, trials / 8)``, eight bits a byte."""
    for block in range(DRAWS // BLOCK):
        stream = hashing.expand(BLOCK * trials // 8, "spread null", tag.encode(), bytes([block]))
        yield np.frombuffer(stream, np.uint8).reshape(BLOCK, -1)


def suspects(task: Task, host: nn.Module) -> dict[str, nn.Module]:
    """Return models without a mark: strangers, and what was made from the host itself."""
    thief = task.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]
    stranger = fit(build("cnn", task.feed.input_shape, task.feed.classes, seed=7), task, RECIPE, seed=7)

    def after(model: nn.Module, name: str, **settings: Any) -> nn.Module:
        made: nn.Module = attack_class(name)(**settings)(copy.deepcopy(model), thief, seed=0)
        return made

    return {
        "stranger": stranger,
        "stranger, 70 % pruned": after(stranger, "prune", amount=0.7),
        "host fine-tuned": after(host, "finetune", rate=0.01),
        "host 50 % pruned": after(host, "prune", amount=0.5),
        "host permuted": after(host, "permute"),
    }


def study(rows: Rows, mark: Mark, host: nn.Module, models: dict[str, nn.Module], task: Task) -> None:
    """Compare every reading of every model with a million draws."""
    for name, model in models.items():

        def measure(name: str = name, model: nn.Module = model) -> dict[str, Any]:
            plain = mark.readings(WhiteBox(model), align_to=host)
            read = [table.symbols for each in plain if isinstance(each, Reading) for table in each.scores]
            trials = len(read[0])
            packed = [np.packbits(symbols.astype(np.uint8)) for symbols in read]
            counts = np.zeros((len(read), trials + 1), np.int64)
            best = np.zeros(trials + 1, np.int64)
            for block in messages(name, trials):
                together = np.zeros(len(block), np.int64)
                for way, symbols in enumerate(packed):
                    matches = trials - np.bitwise_count(block ^ symbols).sum(axis=1, dtype=np.int64)
                    counts[way] += np.bincount(matches, minlength=trials + 1)
                    together = np.maximum(together, matches)
                best += np.bincount(together, minlength=trials + 1)
            return {"readings": len(read), **compared(counts, best, trials)}

        rows.measure({"suspect": name, "draws": DRAWS}, measure)


def compared(counts: npt.NDArray[np.int64], best: npt.NDArray[np.int64], trials: int) -> dict[str, Any]:
    """Return how far each reading's tail is from the exact one, and how often the charged best of them reaches each level."""
    half = Fraction(1, 2)
    errors, charged = {}, {}
    for level in LEVELS:
        fewest = stats.minimum_matches(level, trials, half)
        exact = 2.0 ** -stats.tail_bits(fewest, trials, half)
        shares = counts[:, fewest:].sum(axis=1) / DRAWS
        errors[level] = round(float(np.abs(shares - exact).max() / np.sqrt(exact * (1 - exact) / DRAWS)), 2)
        bar = stats.minimum_matches(level + np.log2(len(counts)), trials, half)
        charged[level] = float(best[bar:].sum() / DRAWS)
    return {"worst error in standard errors": errors, "charged best reaches, as a share": charged}


def wrong_keys(rows: Rows, host: nn.Module, marked: nn.Module, task: Task) -> None:
    """Read a marked model with other keys of the same host."""

    def measure() -> dict[str, Any]:
        owner = Provenance(host=weights.digest(host.state_dict()))
        secrets = (secret("spread null", number) for number in range(KEYS))
        keys = (keygen(Spread(), host, task.feed, secret=each, owner=owner) for each in secrets)
        found = [key.mark().evidence(WhiteBox(marked), align_to=host) for key in keys]
        matches = [each.matches for each in found]
        return {
            "keys": KEYS,
            "most matches of any reading": max(matches),
            "net bits at most": max(each.net_bits for each in found),
            "gross bits at most": round(max(each.gross_bits for each in found), 1),
        }

    rows.measure({"suspect": "marked, wrong keys"}, measure)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/spread-null.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Task.from_dataset(data.load("digits"))
    rows = Rows(arguments.output)
    host = fit(build("cnn", task.feed.input_shape, task.feed.classes, seed=0), task, RECIPE, seed=0)
    owner = Provenance(host=weights.digest(host.state_dict()))
    mark = keygen(Spread(), host, task.feed, secret=secret("spread null"), owner=owner).mark()
    study(rows, mark, host, suspects(task, host), task)
    wrong_keys(rows, host, imprint(host, mark), task)


if __name__ == "__main__":
    main()
