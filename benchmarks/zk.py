"""What proofs in zero knowledge cost, how exactly integers read a mark, and what the pattern of matches gives away.

Run: ``python benchmarks/zk.py`` (two CPU minutes; needs the extra ``zk``). CPU seconds of one thread; proofs of ``uchida``: the
median of three.

``leak`` is what an owner should know who proves for any suspect that comes: a thief asks for proofs of networks made for the
purpose, learns from each which bits match, estimates the rows of X, and moves the marked weights against them.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _study import Rows, secret
from modelmark import data
from modelmark.carriers.rows import real
from modelmark.carriers.spread import Runs
from modelmark.claim.dubious import encoding, pedersen, proof, quantise, scattered
from modelmark.claim.dubious.proof import Public
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes import _projection
from modelmark.schemes.spread import Spread
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import Task

FILTERS = 64
SIZES = ((64, 576), (256, 2304))


def seconds(what: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return CPU seconds (the median) and the result."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        result = what()
        times.append(time.process_time() - started)
    return round(statistics.median(times), 3), result


def marked(matrix: np.ndarray, bits: np.ndarray, rng: np.random.Generator, margin: float = 0.3) -> np.ndarray:
    """Return filters ``(FILTERS, M)`` whose mean has the drawn signs by ``margin``, as close to a network's as can be."""
    host = rng.normal(0, 0.05, (FILTERS, matrix.shape[1]))
    wrong = (2 * bits - 1) * margin - matrix @ host.mean(axis=0)
    return host + np.linalg.lstsq(matrix, wrong, rcond=None)[0]


def costs(rows: int, width: int) -> dict[str, Any]:
    rng, owner, before = np.random.default_rng(0), secret("zk", rows, width), _peak_mib()
    carriers = _projection.random(owner, rows, width)
    bits = rng.integers(0, 2, rows)
    commit, committed = seconds(lambda: pedersen.commit(owner, carriers, bytes(32), "layer"))
    derive, witness = seconds(lambda: pedersen.witness(owner, carriers, bytes(32), "layer"))
    layer = marked(real(carriers), bits, rng)
    public = Public(*[bytes(32)] * 4, committed, layer, bits)
    prove, proven = seconds(lambda: proof.prove(public, witness, least=1), 3)
    verify, matched = seconds(lambda: proof.verify(public, proven), 3)
    return {
        "commit_s": commit,
        "witness_s": derive,
        "prove_s": prove,
        "verify_s": verify,
        "commitment_bytes": len(encoding.encode_commitment(committed)),
        "proof_bytes": len(proven),
        "matches": sum(matched),
        "extra_memory_mib": _peak_mib() - before,
    }


def scattered_costs() -> dict[str, Any]:
    """Measure a proof for ``spread`` in the digits ``cnn`` as it is initialised, marked without data."""
    task = Task.from_dataset(data.load("digits"))
    network = build("cnn", task.feed.input_shape, task.feed.classes, seed=0)
    owner, before = secret("zk", "scattered"), _peak_mib()
    key = keygen(Spread(), network, task.feed, secret=owner)
    runs, mark, root = key.carriers, key.mark(), bytes.fromhex(str(key.statement["root"]))
    assert isinstance(runs, Runs)
    model = imprint(network, mark)
    (sheets,) = WhiteBox(model).observe(runs.probes()[0])
    derive, kept = seconds(lambda: scattered.witness(owner, runs, root))
    commit, committed = seconds(lambda: scattered.commit(kept, runs, root))
    shown = scattered.signs(runs.runs, sheets)
    public = scattered.Scattered(*[bytes(32)] * 4, committed, shown, mark.message)
    prove, proven = seconds(lambda: proof.prove(public, kept, least=1))
    verify, matched = seconds(lambda: proof.verify(public, proven))
    parse, _ = seconds(lambda: encoding.parse_commitment(encoding.encode_commitment(committed)))
    read = runs.every([sheets])
    return {
        "weights": len(shown),
        "bits": runs.bits,
        "witness_s": derive,
        "commit_s": commit,
        "read_commitment_s": parse,
        "prove_s": prove,
        "verify_s": verify,
        "commitment_bytes": len(encoding.encode_commitment(committed)),
        "proof_bytes": len(proven),
        "matches": sum(matched),
        "matches_by_weights": int((read[0] == mark.message).sum()),
        "extra_memory_mib": _peak_mib() - before,
    }


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def rounding(rows: int, width: int, trials: int = 50) -> dict[str, Any]:
    """Count bits that integers read otherwise than floats, in layers without a mark, where margins are smallest."""
    rng, flips, worst, ranges = np.random.default_rng(1), 0, 0.0, 0
    for trial in range(trials):
        carriers = _projection.random(secret("zk", "rounding", width, trial), rows, width)
        layer = rng.normal(0, 0.05, (FILTERS, width))
        exact = real(carriers) @ layer.mean(axis=0)
        found = quantise.projection(carriers) @ quantise.weights(layer)
        other = (exact >= 0) != (found >= 0)
        flips += int(other.sum())
        worst = max(worst, float(np.abs(exact[other]).max(initial=0) / exact.std()))
        ranges = max(ranges, int(np.abs(found).max()).bit_length())
    return {
        "bits": rows * trials,
        "read_otherwise": flips,
        "largest_margin_in_sd": round(worst, 4),
        "range_bits": ranges,
    }


def leak(rows: int, width: int, shown: str, least: int, asked: int) -> dict[str, Any]:
    """Return how far a thief must move the mean filter to lose the mark after ``asked`` answers, relative to its length.

    Args:
        rows: T.
        width: M.
        shown: ``pattern``: which bits match; ``count``: how many; ``accepted``: whether they are enough.
        least: matches below which the owner shows nothing more than a refusal.
        asked: suspects, each the marked mean filter with noise.
    """
    rng = np.random.default_rng(2)
    matrix = real(_projection.random(secret("zk", "leak", width), rows, width))
    signs = 2 * rng.integers(0, 2, rows) - 1
    mean = marked(matrix, (signs + 1) // 2, rng).mean(axis=0)
    # as much noise as an owner still answers in every second case
    scale = _loudest(matrix, mean, signs, least, rng) * np.linalg.norm(mean) / np.sqrt(width)
    noises = rng.normal(0, scale, (asked, width))
    match = (((mean + noises) @ matrix.T >= 0) == (signs > 0)).astype(float)
    answered = match.sum(axis=1) >= least
    if shown == "pattern":
        noises, match = noises[answered], match[answered]
        estimate = signs[:, None] * (match - match.mean(axis=0)).T @ noises
        against = signs @ (estimate / np.maximum(np.linalg.norm(estimate, axis=1, keepdims=True), 1e-12))
    else:
        seen = np.where(answered, match.sum(axis=1), least - 1) if shown == "count" else answered.astype(float)
        against = (seen - seen.mean()) @ noises
    blind = [_distance(matrix, mean, signs, rng.normal(size=width)) or np.inf for _ in range(9)]
    knowing = signs @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True))
    return {
        "answered": int(answered.sum()),
        "moved": _distance(matrix, mean, signs, against),
        "moved_blindly": statistics.median(blind),
        "moved_knowing_the_matrix": _distance(matrix, mean, signs, knowing),
    }


def _loudest(matrix: np.ndarray, mean: np.ndarray, signs: np.ndarray, least: int, rng: np.random.Generator) -> float:
    scale, length = 64.0, np.linalg.norm(mean) / np.sqrt(len(mean))
    while scale > 1e-3:
        noises = rng.normal(0, scale * length, (20, len(mean)))
        matches = (((mean + noises) @ matrix.T >= 0) == (signs > 0)).sum(axis=1)
        if np.mean(matches >= least) >= 0.5:
            break
        scale /= 1.03
    return scale


def _distance(matrix: np.ndarray, mean: np.ndarray, signs: np.ndarray, against: np.ndarray) -> float | None:
    """Return the smallest step against a direction, in lengths of the mean filter, after which at most 60 % match."""
    unit = against / max(np.linalg.norm(against), 1e-12) * np.linalg.norm(mean)
    for step in np.geomspace(0.05, 100, 200):
        if (((matrix @ (mean - step * unit) >= 0) == (signs > 0)).mean()) <= 0.6:
            return round(float(step), 2)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/zk.jsonl"))
    rows = Rows(parser.parse_args().output)
    for bits, width in SIZES:
        rows.measure({"study": "costs", "bits": bits, "width": width}, lambda b=bits, w=width: costs(b, w))
    rows.measure({"study": "scattered", "arch": "cnn"}, scattered_costs)
    for width in (288, 576, 2304, 16384):
        rows.measure({"study": "rounding", "width": width}, lambda w=width: rounding(64, w))
    for shown, least in (("pattern", 0), ("pattern", 230), ("count", 230), ("accepted", 230)):
        for asked in (10, 100, 1000):
            cell = {"study": "leak", "bits": 256, "width": 2304, "shown": shown, "least": least, "asked": asked}
            rows.measure(cell, lambda s=shown, n=least, a=asked: leak(256, 2304, s, n, a))


if __name__ == "__main__":
    main()
