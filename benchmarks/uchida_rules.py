"""What the rules of ``uchida`` read beside the committed host, before and after: folded, shifted and negated layers.

``python benchmarks/uchida_rules.py --keys 10`` (some minutes)

A host is the last convolution of a trained digits ``cnn`` (64 filters of 576 weights), or as many Gaussian filters. The mark of
256 bits is a least-norm change of the mean filter until every projection is ``margin`` deviations of a natural one: 0.3 a thin
mark, 3 a strong one. Rows are ``random`` as keys had them before, or ``centred`` as new keys have them. Before is the plain
reading, after the best of the four rules, which charge 2 bits; both are the mean over keys and the least. The null counts how
often a drawn message reaches so many bits after the charge, in networks without a mark, of each rule and of the best. JSON lines
on stdout; ``--save`` writes ``benchmarks/results/uchida-rules.jsonl``.
"""

import argparse
import json
import os
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from modelmark import data, hashing
from modelmark.carriers.rows import HOST_RULES, Rows
from modelmark.evidence import stats
from modelmark.key.secret import Secret
from modelmark.models import build
from modelmark.schemes import _projection
from modelmark.suspects import base
from modelmark.suspects.places import Place
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

BITS, FILTERS, WIDTH = 256, 64, 576
LEVELS = (0, 1, 2, 4, 8)
"""Bits after the charge at which the null is counted."""
RESULTS = Path(__file__).parent / "results" / "uchida-rules.jsonl"
Reals = npt.NDArray[np.float64]
Rng = np.random.Generator


class Weights:
    """A suspect, or a host, that is nothing but one layer."""

    answers = frozenset({base.Read})
    queries = 0

    def __init__(self, filters: Reals) -> None:
        self._filters = filters

    def observe(self, probe: base.Probe) -> list[base.Array]:
        """Return the filters."""
        assert isinstance(probe, base.Read)
        assert isinstance(probe.place, Place)
        return [self._filters]


def hosts(seed: int) -> dict[str, Reals]:
    """Return a trained layer and a Gaussian one."""
    task = Task.from_dataset(data.load("digits"))
    network = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
    trained = fit(network, task, annealed(20, 0.05, batch=64, clip=1.0), seed=seed).state_dict()["conv4.weight"]
    gaussian = np.random.default_rng(seed).normal(0, 0.05, (FILTERS, WIDTH))
    return {"trained": trained.flatten(1).double().numpy(), "gaussian": gaussian}


def marked(host: Reals, projection: Reals, message: npt.NDArray[np.int64], margin: float) -> Reals:
    """Return filters whose mean has the message by a margin, the least change of the host's."""
    natural, signs = projection @ host.mean(axis=0), 2.0 * message - 1
    wanted = np.maximum(natural * signs, margin * natural.std()) * signs
    return host + np.linalg.lstsq(projection, wanted - natural, rcond=None)[0]


def folded(filters: Reals, negative: float, rng: Rng) -> Reals:
    """Return filters times factors of 0.2 to 2, so many of them negative, as folding batch norm leaves them."""
    factors = rng.uniform(0.2, 2, len(filters)) * np.where(rng.random(len(filters)) < negative, -1, 1)
    return factors[:, None] * filters


def quantised(filters: Reals, off: int, group: int) -> Reals:
    """Return filters as unsigned 4-bit integers in groups of inputs give them, read with zero points that are ``off``."""
    parts = filters.reshape(len(filters), -1, group)
    least, most = parts.min(axis=2, keepdims=True), parts.max(axis=2, keepdims=True)
    scale = (most - least) / 15
    zero = np.rint(-least / scale)
    codes = np.clip(np.rint(parts / scale) + zero, 0, 15)
    return ((codes - zero + off) * scale).reshape(filters.shape)


def suspects(filters: Reals, host: Reals, rng: Rng) -> dict[str, Reals]:
    """Return what becomes of a marked layer, by name."""
    return {
        "as it is": filters,
        "folded": folded(filters, 0, rng),
        "folded, a tenth of the factors negative": folded(filters, 0.1, rng),
        "folded, a quarter negative": folded(filters, 0.25, rng),
        "folded, a tenth negative, filters re-ordered": rng.permutation(folded(filters, 0.1, rng)),
        "4 bits, a zero point a filter": quantised(filters, 0, WIDTH),
        "4 bits, the zero points wrong by one": quantised(filters, 1, WIDTH),
        "4 bits, groups of 64, the zero points wrong by one": quantised(filters, 1, 64),
        "negated task vector": 2 * host - filters,
    }


def read(carriers: Rows, filters: Reals) -> list[npt.NDArray[np.int64]]:
    """Return the bits by every rule."""
    return carriers.every(Weights(filters).observe(carriers.probes()[0]))


def bits_row(name: str, host: Reals, kind: str, margin: float, keys: int) -> list[dict[str, object]]:
    """Return matches of every suspect, before and after, over so many keys."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number in range(keys):
        secret, rng = Secret(hashing.digest("uchida rules", number.to_bytes(8, "big"))), np.random.default_rng(number)
        carriers = Rows(getattr(_projection, kind)(secret, BITS, WIDTH), "conv4.weight").against(Weights(host))
        message = rng.integers(0, 2, BITS)
        filters = marked(host, carriers.matrix / 65536, message, margin)
        for what, suspect in suspects(filters, host, rng).items():
            each = [int((bits == message).sum()) for bits in read(carriers, suspect)]
            found.setdefault(what, []).append((each[0], max(each)))
    return [
        {
            "study": "uchida-rules", "host": name, "rows": kind, "margin": margin, "suspect": what, "keys": keys, "bits": BITS,
            "before": float(np.mean([a for a, _ in both])), "before_least": min(a for a, _ in both),
            "after": float(np.mean([b for _, b in both])), "after_least": min(b for _, b in both),
        }
        for what, both in found.items()
    ]  # fmt: skip


def null_row(name: str, host: Reals, suspect: Reals, draws: int) -> dict[str, object]:
    """Return how often drawn messages reach levels of net bits in a layer without a mark: each rule by itself, and the best."""
    carriers = Rows(_projection.centred(Secret(bytes(32)), BITS, WIDTH), "conv4.weight").against(Weights(host))
    tables = np.stack(read(carriers, suspect)).astype(np.uint8)
    rng, rules = np.random.default_rng(0), len(tables)
    counts = np.zeros((rules, BITS + 1), np.int64)
    best = np.zeros(BITS + 1, np.int64)
    for start in range(0, draws, 50_000):
        messages = rng.integers(0, 2, (min(50_000, draws - start), BITS), np.uint8)
        matches = np.stack([(messages == table).sum(axis=1) for table in tables])
        for count, each in zip(counts, matches, strict=True):
            count += np.bincount(each, minlength=BITS + 1)
        best += np.bincount(matches.max(axis=0), minlength=BITS + 1)
    gross = np.array([stats.tail_bits(matches, BITS, Fraction(1, 2)) for matches in range(BITS + 1)])
    worst = 0.0
    for count in counts:
        for level in (1, 4, 8, 12):
            reached = gross >= level
            chance = 2.0 ** -gross[reached].min()
            worst = max(worst, abs(count[reached].sum() / draws - chance) / np.sqrt(chance * (1 - chance) / draws))
    return {
        "study": "uchida-rules-null", "suspect": name, "draws": draws, "rules": rules, "worst_standard_errors": round(worst, 2),
        "net": {str(level): int(best[gross >= level + np.log2(rules)].sum()) / draws for level in LEVELS},
    }  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--keys", type=int, default=10)
    words.add_argument("--draws", type=int, default=1_000_000)
    words.add_argument("--save", action="store_true")
    chosen = words.parse_args()
    both, rng, rows = hosts(0), np.random.default_rng(0), list[dict[str, object]]()
    for name, host in both.items():
        for kind in ("random", "centred"):
            for margin in (0.3, 3.0):
                rows += bits_row(name, host, kind, margin, chosen.keys)
    host, stranger = both["trained"], hosts(7)["trained"]
    for name, suspect in {
        "the host": host, "the host, folded": folded(host, 0.1, rng), "a stranger": stranger,
        "a stranger, folded": folded(stranger, 0.25, rng),
    }.items():  # fmt: skip
        rows.append(null_row(name, host, suspect, chosen.draws))
    assert len(HOST_RULES) == 4
    lines = [json.dumps(row) for row in rows]
    print("\n".join(lines))
    if chosen.save:
        RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
