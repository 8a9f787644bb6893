"""An API that lies on what it takes for carriers: ``python benchmarks/lying_api.py --seeds 3``.

Digits, ``cnn``, ``adi`` with 128 triggers in two lots; one lot of 64 is asked, as ``modelmark ask`` asks. The API knows all that
is public: claim, drawn message, how triggers are rendered, and the judge's ordinary images, here those of the data set. It
lies: ``order``: where the drawn labels in ascending order give a carrier away; ``counts``: on the answers that are drawn more
often than given, up to a tenth of all; ``margin``: on what is no public image and is answered with a margin outside nine tenths
of its own rendered pictures; ``data``: on all that is no public image. Old: ascending order, one image a carrier. New: the order
of a nonce, ten rendered pictures and ten images a carrier. JSON lines on stdout.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark import data
from modelmark.claim.papers import transcript
from modelmark.claim.papers.transcript import ORDINARY, Head
from modelmark.evidence.stats import tail_bits
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.rendering import triggers
from modelmark.schemes.adi import Adi
from modelmark.suspects.module import logits
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

SIZE, _TENTH = 64, Fraction(1, 10)
RESULTS = Path(__file__).parent / "results" / "lying-api.jsonl"
Labels = npt.NDArray[np.int64]


class Follower:
    """Follows the drawn labels of a lot: how many carriers went by is known up to a distribution.

    Args:
        message: drawn labels, in ascending order of the carriers.
        share: of the queries that are carriers.
        ordinary: how often each class is answered to ordinary queries.
    """

    def __init__(self, message: Labels, share: float, ordinary: npt.NDArray[np.float64]) -> None:
        self._message, self._share, self._ordinary = message, share, ordinary
        self._passed = np.eye(1, len(message) + 1)[0]  # chance of so many carriers so far

    def lies(self, answer: int) -> bool:
        """Return whether a query that the model answers so is more likely a carrier than not."""
        carrier = np.zeros_like(self._passed)
        carrier[1:] = self._share * self._passed[:-1] * np.where(self._message == answer, 0.99, 0.01 / 9)
        other = (1 - self._share) * self._passed * max(self._ordinary[answer], 1e-3)
        both = carrier + other
        self._passed = both / both.sum()
        return bool(carrier.sum() > other.sum())


def streams(key: Any, task: Task, seed: int) -> dict[str, tuple[list[int], npt.NDArray[np.uint8]]]:
    """Return what is asked under either rule: the number of each carrier or ``ORDINARY``, and the pictures in order."""
    rng, images = np.random.default_rng(seed), np.concatenate([task.train_inputs.numpy(), task.test_inputs.numpy()])
    chosen = images[rng.permutation(len(images))[: 10 * SIZE]]
    decoys = triggers.render(Secret(rng.bytes(32)), 10 * SIZE, task.feed.input_shape)
    new = rng.permutation(np.concatenate([chosen, decoys]))
    old_head, new_head = Head("00" * 32, 0, 0), Head("00" * 32, 0, 0, rng.bytes(32).hex(), "exact")
    found = {}
    for rule, head, ordinary in (("old", old_head, chosen[:SIZE]), ("new", new_head, new)):
        order, rest = transcript.plan(head, range(SIZE), len(ordinary)), iter(ordinary)
        shown = [next(rest) if number == ORDINARY else key.carriers.pictures[number] for number in order]
        found[rule] = order, np.stack(shown)
    return found


def outputs(model: nn.Module, task: Task, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the model's logits, largest two subtracted later."""
    return logits(model, Normalise(task.feed)(torch.from_numpy(pictures))).double().numpy()


def margins(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return by how much the largest output leads."""
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def filters(
    model: nn.Module, task: Task, message: Labels, seed: int
) -> dict[str, Callable[[npt.NDArray[np.uint8], float], npt.NDArray[np.bool_]]]:
    """Return for each API which queries of a stream, with this share of carriers, it lies on."""
    images = np.concatenate([task.train_inputs.numpy(), task.test_inputs.numpy()])
    public = {image.tobytes() for image in images}
    usual = np.bincount(outputs(model, task, images).argmax(axis=1), minlength=10) / len(images)
    own = triggers.render(Secret(bytes([seed, 9]) * 16), 2000, task.feed.input_shape)
    low, high = np.quantile(margins(outputs(model, task, own)), [0.05, 0.95])
    usual_all = (usual + np.bincount(outputs(model, task, own).argmax(axis=1), minlength=10) / len(own)) / 2
    ratio = np.bincount(message, minlength=10) / len(message) / np.maximum(usual_all, 1e-6)
    drawn_often = np.argsort(-ratio)
    drawn_often = drawn_often[: int((np.cumsum(usual_all[drawn_often]) <= 0.1).sum()) or 1]

    def unknown(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        return np.array([picture.tobytes() not in public for picture in pictures])

    def order(pictures: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.bool_]:
        follower = Follower(message, share, usual)
        return np.array([follower.lies(int(answer)) for answer in outputs(model, task, pictures).argmax(axis=1)])

    def odd(pictures: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.bool_]:
        lead = margins(outputs(model, task, pictures))
        return unknown(pictures) & ((lead < low) | (lead > high))

    def counts(pictures: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.bool_]:
        return np.isin(outputs(model, task, pictures).argmax(axis=1), drawn_often)

    return {
        "honest": lambda pictures, share: np.zeros(len(pictures), bool),
        "order": order,
        "counts": counts,
        "margin": odd,
        "data": lambda pictures, share: unknown(pictures),
    }


def rows(seed: int, repeats: int) -> Iterator[dict[str, object]]:
    """Yield one row per API and rule."""
    task = Task.from_dataset(data.load("digits"))
    fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
    key = keygen(Adi(triggers=2 * SIZE, per_hundred=10), fresh, task.feed, secret=Secret(bytes([seed]) * 32))
    mark = key.mark()
    model = embed(fresh, [mark], task, annealed(40, 0.05, batch=64, clip=1.0), seed=seed).model
    message = np.asarray(mark.message)[:SIZE]
    for api, lies in filters(model, task, message, seed).items():
        for rule in ("old", "new"):
            matched, fooled = [], []
            for repeat in range(repeats):
                order, pictures = streams(key, task, 1000 * seed + repeat)[rule]
                rng, said = np.random.default_rng(repeat), outputs(model, task, pictures).argmax(axis=1)
                lied = lies(pictures, SIZE / len(order))
                given = np.where(lied, (said + rng.integers(1, 10, len(said))) % 10, said)
                carrier = np.array(order)
                hits = given[carrier != ORDINARY] == message[carrier[carrier != ORDINARY]]
                matched.append(int(hits.sum()))
                fooled.append(float(lied[carrier == ORDINARY].mean()))
            yield {
                "study": "lying-api", "api": api, "rule": rule, "seed": seed, "repeats": repeats, "of": SIZE,
                "matches": round(float(np.mean(matched)), 2), "bits": round(tail_bits(round(np.mean(matched)), SIZE, _TENTH), 1),
                "ordinary_lied_to": round(float(np.mean(fooled)), 3),
            }  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--repeats", type=int, default=20)
    words.add_argument("--save", action="store_true", help="write benchmarks/results/lying-api.jsonl")
    chosen = words.parse_args()
    torch.set_num_threads(1)
    lines = []
    for seed in range(chosen.seeds):
        for row in rows(seed, chosen.repeats):
            lines.append(json.dumps(row))
            print(lines[-1], flush=True)
    if chosen.save:
        RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
