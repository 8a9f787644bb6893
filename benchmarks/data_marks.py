"""Marks in data on small models: bits against records, epochs and what happens afterwards; enemies; chance; what it costs.

``python benchmarks/data_marks.py PART...``, of: choice, enemies, twins, order, digits, chance (an hour on one processor)

Language: rows of 33 letters of Python's own help, a transformer of 67,000 weights (``tests/language.py``). ``choice``: a teacher
trained on 4,000 rows answers the first 16 letters of others twice, at temperature 1; a student that was trained on 4,000 other
rows is fine-tuned on the prompts with the answers that the coins picked. ``enemies``: the answers are paraphrased (a share of
their letters is drawn anew by the student's own model), mixed with other text, or the student is fine-tuned or distilled
afterwards. ``twins``: rows of a training text of 4,000, of which M exist in a second version, the last 16 letters of which were
partly drawn anew by a model of other text. ``order``: rows trained on in a drawn order. ``digits``: scikit-learn's digits and
``cnn``; the versions are two random shifts of each picture by up to a pixel. ``chance``: 10,000 draws against the fixed answers
of models that saw neither. Bits are gross, of the better rule, less the bit for having two; no charge for the draw is taken off.
JSON lines on stdout, appended to ``benchmarks/results/data-marks.jsonl`` with ``--save``.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn

import _letters as letters
from modelmark import data, hashing
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.records import Records
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, KeyPolicy
from modelmark.marks.marks import Mark
from modelmark.marks.ondata import keygen_of_records
from modelmark.models import build
from modelmark.schemes.choice import Choice
from modelmark.schemes.order import Order
from modelmark.schemes.twins import Twins
from modelmark.suspects.base import Suspect
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy, perplexity

RESULTS = Path(__file__).parent / "results" / "data-marks.jsonl"
FEED = CausalFeed((letters.LENGTH,), vocabulary=letters.VOCABULARY)
HALF = letters.LENGTH // 2
SMALL = KeyPolicy(self_check=True)
Row = dict[str, Any]


def secret(seed: int) -> Secret:
    return Secret(hashing.digest("data-marks", bytes([seed])))


def bits(mark: Mark, suspect: Suspect, without: Mark | None = None) -> Row:
    """Return what a suspect reads: matches, and bits of the better rule less the bit for having two.

    Args:
        mark: that the suspect learned, or not.
        suspect: that is read.
        without: the same pairs in a key without a reference, to be read with the same coins instead.
    """
    tables = (without or mark).read(suspect).scores
    found = [tail_bits(table, table.total(mark.message)).bits for table in tables]
    read = {"matches": tables[0].total(mark.message)} if tables[0].is_counting else {}
    return {**read, "bits": round(max(max(found) - (len(found) - 1), 0.0), 1)}


@functools.cache
def rows() -> letters.Rows:
    return letters.text()


@functools.cache
def base(part: int, seed: int = 0) -> nn.Module:
    """Return a model trained on the first or second 4,000 rows."""
    return letters.learned(letters.fresh(seed + 10 * part), rows()[4000 * part : 4000 * (part + 1)], 2, seed=seed)


def held() -> letters.Rows:
    return rows()[-400:]


def cost(model: nn.Module) -> float:
    return round(perplexity(model, letters.task(held(), held())), 3)


@functools.cache
def answers(count: int) -> Records:
    """Return two answers of the teacher to each prompt, where they differ."""
    prompts = np.resize(rows()[8000:, :HALF], (count, HALF)) if count > 5000 else rows()[8000 : 8000 + count, :HALF]
    first, second = (letters.told(base(0), prompts, seed=1 + i) for i in range(2))
    kept = (first != second).any(axis=1)
    versions = np.stack([first[kept], second[kept]], axis=1).reshape(-1, letters.LENGTH)
    return Records(FEED, versions, np.full(len(versions), HALF, np.int64))


def served(count: int, seed: int = 0, *, reference: bool = True) -> Mark:
    made = answers(5000)
    part = Records(FEED, made.inputs[: 2 * count], made.given[: 2 * count])
    known = WhiteBox(base(0)) if reference else None
    return keygen_of_records(Choice(), part, reference=known, secret=secret(seed), policy=SMALL).mark()


def choice() -> Iterator[Row]:
    """Yield bits by prompts and epochs, with the API's own likelihoods as reference and without."""
    for count in (100, 300, 1000, 2000, 4900):
        for seed in range(3 if count == 1000 else 1):
            mark = served(count, seed)
            plain = served(count, seed, reference=False)
            for epochs in (1, 2, 4):
                student = letters.learned(base(1), mark.records().inputs, epochs, seed=seed)
                yield {
                    "count": count, "epochs": epochs, "seed": seed, "perplexity": cost(student),
                    "reference": bits(mark, WhiteBox(student)), "none": bits(mark, WhiteBox(student), plain),
                    "wrong key": bits(served(count, seed + 50), WhiteBox(student)),
                }  # fmt: skip
    yield {"count": 0, "perplexity": cost(base(1)), "teacher": cost(base(0))}


def enemies() -> Iterator[Row]:
    """Yield what is left of 2,000 prompts and four epochs after each enemy."""
    count = 2000
    mark = served(count)
    taught = mark.records().inputs
    student = letters.learned(base(1), taught, 4, seed=0)
    prompts = taught[:, :HALF]

    def row(name: str, model: nn.Module) -> Row:
        return {"enemy": name, **bits(mark, WhiteBox(model)), "perplexity": cost(model)}

    yield row("none", student)
    versions = mark.carriers.versions  # type: ignore[attr-defined]
    unserved = letters.learned(base(1), versions[2 * np.arange(count) + 1 - mark.message], 4, seed=0)
    yield row("trained on the other answers", unserved)
    both = letters.learned(base(1), versions, 4, seed=0)
    yield row("trained on both answers", both)
    for share in (0.1, 0.3, 0.5, 1.0):
        changed = letters.reworded(base(1), taught, HALF, share, seed=5)
        yield row(f"paraphrase: {share:.0%} of the letters drawn anew", letters.learned(base(1), changed, 4, seed=0))
    rng = np.random.default_rng(3)
    dropped = taught.copy()
    noise = rng.random(dropped.shape) < 0.15
    noise[:, :HALF] = False
    dropped[noise] = rng.integers(0, letters.VOCABULARY, noise.sum())
    yield row("paraphrase: 15% of the letters replaced at random", letters.learned(base(1), dropped, 4, seed=0))
    del prompts
    for share in (0.5, 0.8, 0.9):
        few = taught if share < 0.9 else taught[:1000]
        part = mark if share < 0.9 else served(1000)
        few = part.records().inputs if share == 0.9 else few
        other = np.resize(rows()[:4000], (round(len(few) * share / (1 - share)), letters.LENGTH))
        mixed = letters.learned(base(1), np.concatenate([few, other]), 4, seed=0)
        name = f"mixing: {share:.0%} other text" + (" (1,000 prompts)" if part is not mark else "")
        yield {"enemy": name, **bits(part, WhiteBox(mixed)), "perplexity": cost(mixed)}
    for epochs in (1, 2, 4):
        tuned = letters.learned(student, rows()[:2000], epochs, seed=1)
        yield row(f"fine-tuning afterwards: {epochs} epochs of 2,000 rows of text", tuned)
    for temperature in (1.0, 2.0, 4.0):
        copy = letters.distilled(base(1), student, taught, 4, temperature, seed=2)
        yield row(f"distilled at temperature {temperature:g} on the same prompts and answers", copy)
    copy = letters.distilled(base(1), student, rows()[:4000], 4, 1.0, seed=2)
    yield row("distilled at temperature 1 on other text", copy)
    said = letters.told(student, taught[:, :HALF], seed=9)
    yield row("trained on the student's own answers to the same prompts", letters.learned(base(1), said, 4, seed=0))


def twins() -> Iterator[Row]:
    """Yield bits by records and epochs in a text of 4,000 rows, and the perplexity beside that of the text as it was."""
    for count in (300, 1000, 4000):
        for seed in range(2 if count == 1000 else 1):
            text = rows()[:4000]
            changed = letters.reworded(base(1), text[:count], HALF, 0.5, seed=7)
            differ = (changed != text[:count]).any(axis=1)
            versions = np.stack([text[:count][differ], changed[differ]], axis=1).reshape(-1, letters.LENGTH)
            made = Records(FEED, versions, np.full(len(versions), 1, np.int64))
            mark = keygen_of_records(
                Twins(), made, reference=WhiteBox(base(1)), secret=secret(seed), policy=SMALL
            ).mark()
            rest = np.concatenate([text[:count][~differ], text[count:]])
            for epochs in (1, 2, 4):
                model = letters.learned(
                    letters.fresh(seed), np.concatenate([mark.records().inputs, rest]), epochs, seed=seed
                )
                plain = letters.learned(letters.fresh(seed), text, epochs, seed=seed) if count == 1000 else None
                row = {"count": int(differ.sum()), "epochs": epochs, "seed": seed, **bits(mark, WhiteBox(model))}
                row |= {"perplexity": cost(model)} | ({"plain": cost(plain)} if plain else {})
                if epochs == 4 and count in (1000, 4000):
                    for more in (1, 2, 4):
                        tuned = letters.learned(model, rows()[4000:6000], more, seed=1)
                        row[f"tuned {more}"] = bits(mark, WhiteBox(tuned))["bits"]
                yield row


def order() -> Iterator[Row]:
    """Yield bits by records, epochs and course of the rate, and after fine-tuning on other text."""
    for count in (1000, 3000):
        made = Records(FEED, rows()[:count], np.ones(count, np.int64))
        start = letters.fresh(77, width=64)
        known = letters.in_order(start, rows()[:count], range(count), 1, constant=True)
        mark = keygen_of_records(Order(), made, reference=WhiteBox(known), secret=secret(0), policy=SMALL).mark()
        plain = keygen_of_records(Order(), made, secret=secret(0), policy=SMALL).mark()
        for epochs in (1, 2):
            for constant in (True, False):
                model = letters.in_order(
                    letters.fresh(0, width=64), rows()[:count], mark.sampler(), epochs, constant=constant
                )
                row = {"count": count, "epochs": epochs, "rate": "constant" if constant else "falling to zero"}
                row |= {
                    "reference": bits(mark, WhiteBox(model))["bits"],
                    "none": bits(mark, WhiteBox(model), plain)["bits"],
                }
                row["perplexity"] = cost(model)
                if epochs == 1 and constant:
                    for more in (500, 1500):
                        tuned = letters.in_order(model, rows()[-2000:][:more], range(more), 1, constant=False)
                        row[f"tuned {more}"] = bits(mark, WhiteBox(tuned))["bits"]
                yield row
        shuffled = letters.in_order(letters.fresh(0, width=64), rows()[:count], range(count), 1, constant=True)
        yield {
            "count": count,
            "epochs": 1,
            "rate": "another order",
            "reference": bits(mark, WhiteBox(shuffled))["bits"],
            "perplexity": cost(shuffled),
        }


def digits() -> Iterator[Row]:
    """Yield bits of twins among the digits' training pictures, and the accuracy beside that of the pictures as they are."""
    task = Task.from_dataset(data.load("digits"))
    pictures, labels = task.train_inputs.numpy(), task.labels.numpy()
    rng = np.random.default_rng(0)

    def shifted() -> np.ndarray:
        padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)))
        moves = rng.integers(0, 3, (len(pictures), 2))
        return np.stack([one[:, y : y + 8, x : x + 8] for one, (y, x) in zip(padded, moves, strict=True)])

    first, second = shifted(), shifted()
    both = np.stack([first, second], axis=1).reshape(-1, *pictures.shape[1:])
    _, chosen = np.unique(both.reshape(len(both), -1), axis=0, return_index=True)
    single = np.isin(np.arange(len(both)), chosen).reshape(-1, 2).all(axis=1) & (first != second).any(axis=(1, 2, 3))
    earlier = fit(build("cnn", task.feed.input_shape, 10, seed=9), task, annealed(20, 0.05, batch=64, clip=1.0), seed=9)
    picked = np.flatnonzero(single)
    rest = np.flatnonzero(~single)
    for seed in range(3):
        start = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
        versions = np.stack([first[picked], second[picked]], axis=1).reshape(-1, *pictures.shape[1:])
        made = Records(task.feed, versions, np.repeat(labels[picked], 2).astype(np.int64))
        mark = keygen_of_records(Twins(), made, reference=WhiteBox(earlier), secret=secret(seed), policy=SMALL).mark()
        plain = keygen_of_records(Twins(), made, secret=secret(seed), policy=SMALL).mark()
        shown = torch.from_numpy(np.concatenate([mark.records().inputs, first[rest]]))
        given = torch.from_numpy(np.concatenate([mark.records().given, labels[rest]]))
        for epochs in (10, 40):
            plan = annealed(epochs, 0.05, batch=64, clip=1.0)
            mine = Task(task.feed, shown, given, task.test_inputs, task.test_labels)
            usual = Task(task.feed, torch.from_numpy(first), task.labels, task.test_inputs, task.test_labels)
            model = fit(start, mine, plan, seed=seed)
            other = fit(start, usual, plan, seed=seed)
            row = {"count": len(picked), "epochs": epochs, "seed": seed, "accuracy": round(accuracy(model, task), 4)}
            row |= {"reference": bits(mark, WhiteBox(model)), "none": bits(mark, WhiteBox(model), plain)}
            yield row | {"plain": round(accuracy(other, task), 4), "unmarked": bits(mark, WhiteBox(other))}


def chance(draws: int = 10_000) -> Iterator[Row]:
    """Yield how often so many bits come by luck, over draws against models that saw neither version."""
    pairs = Records(FEED, answers(300).inputs[:512], answers(300).given[:512])
    lines = Records(FEED, rows()[:256], np.ones(256, np.int64))
    keys: dict[str, Key] = {
        "twins": keygen_of_records(
            Twins(), Records(FEED, pairs.inputs, np.ones(512, np.int64)), secret=secret(1), policy=SMALL
        ),
        "choice": keygen_of_records(Choice(), pairs, reference=WhiteBox(base(0)), secret=secret(2), policy=SMALL),
        "order": keygen_of_records(Order(slots=4), lines, secret=secret(3), policy=SMALL),
        "order, 16 slots": keygen_of_records(Order(), lines, secret=secret(4), policy=SMALL),
    }
    for name, key in keys.items():
        for who, model in {"another model": base(1), "the teacher": base(0), "untrained": letters.fresh(3)}.items():
            for rule, table in enumerate(key.mark().read(WhiteBox(model)).scores):
                yield {"scheme": name, "suspect": who, "rule": rule, **_counted(table, draws)}


@functools.cache
def messages(alphabet: int, trials: int, draws: int) -> np.ndarray:
    """Return the messages of so many other statements, ``(draws, trials)``."""
    digests = (hashing.digest("other-draw", number.to_bytes(4, "big")) for number in range(draws))
    return np.stack([Draw(digest).message(alphabet, trials).astype(np.int8) for digest in digests])


def _counted(table: Scores, draws: int) -> Row:
    trials, alphabet = table.table.shape
    totals = table.table[np.arange(trials), messages(alphabet, trials, draws)].sum(axis=1)
    values, which = np.unique(totals, return_inverse=True)
    found = np.array([tail_bits(table, int(total)).bits for total in values])[which]
    reached = {level: float(np.mean(found >= level)) for level in (1, 2, 4, 8)}
    errors = {level: (share - 2.0**-level) / (2.0**-level / draws) ** 0.5 for level, share in reached.items()}
    method = tail_bits(table, 0).method
    return {"draws": draws, "method": method, "reached": reached, "worst error": round(max(errors.values()), 2)}


PARTS = {"choice": choice, "enemies": enemies, "twins": twins, "order": order, "digits": digits, "chance": chance}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--save", action="store_true", help=f"append to {RESULTS.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts:
        start = time.process_time()
        for row in PARTS[part]():
            line = json.dumps({"part": part, **row, "cpu_s": round(time.process_time() - start, 1)})
            print(line, flush=True)
            if options.save:
                with RESULTS.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
