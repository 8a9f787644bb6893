"""``answers`` in a GPT-2 of a million weights: bits and perplexity after embedding and after what happens to a model afterwards.

``python benchmarks/answers.py [--seeds 0 1 2] [--save]`` (ten minutes of one processor a seed)

Text: ``benchmarks/texts.py``, rows of 32 tokens of a vocabulary of 1,024; the owner has 2,000 rows, a thief 600 others, and both
are measured on 200 that neither has. The host is trained from scratch, a mark is embedded by fine-tuning it. ``plain`` is the
host fine-tuned likewise without a mark: what the same epochs do to perplexity by themselves. Bits are gross; with a timestamped
draw 48 are charged. Rows go to stdout as JSON lines, and with ``--save`` to ``benchmarks/results/answers.jsonl``.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

import _tiny
import texts
from modelmark import hashing
from modelmark.attacks.weights.int8 import Int8
from modelmark.attacks.weights.quantise import Quantise
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.marks.marks import Mark
from modelmark.schemes.answers import Answers
from modelmark.suspects.module import WhiteBox
from modelmark.testing.false_positives import levels, messages
from modelmark.training.loop import fit
from modelmark.training.task import Task, perplexity

RESULTS = Path(__file__).parent / "results" / "answers.jsonl"
SMALL = KeyPolicy(self_check=True)
EPOCHS = 3
"""Of one round of embedding."""
Row = dict[str, Any]
SETTINGS = (
    Answers(),
    Answers(candidates=4),
    Answers(candidates=2),
    Answers(family="corpus"),
    Answers(family="tokens"),
)


@functools.cache
def tasks() -> tuple[Task, Task]:
    """Return those of the owner and of a thief."""
    return texts.language()


@functools.cache
def host(seed: int) -> nn.Module:
    return fit(_tiny.drawn("gpt2", seed=seed), tasks()[0], _tiny.trained_by("gpt2"), seed=seed)


def tuning(epochs: int = EPOCHS, rate: float = 5e-4) -> Any:
    return _tiny.trained_by("gpt2", epochs=epochs, peak=rate)


def read(mark: Mark, model: nn.Module) -> dict[str, Any]:
    found = mark.evidence(WhiteBox(model))
    return {"matches": found.matches, "trials": found.trials, "bits": round(found.gross_bits, 1)}


def measured(seed: int, scheme: Answers) -> Iterator[Row]:
    """Yield what is measured, as soon as it is."""
    model, (own, other) = host(seed), tasks()
    key, wrong = (
        keygen(scheme, model, own.feed, task=own, secret=Secret(hashing.digest(name, bytes([seed]))), policy=SMALL)
        for name in ("answers", "wrong")
    )
    mark, began = key.mark(), time.process_time()
    yield {"after": "host", "perplexity": perplexity(model, own), **read(mark, model)}
    worst = max(abs(one.errors) for one in levels(key, model, messages(scheme.candidates, key.scheme.prompts, 1000)))
    yield {"after": "1,000 draws on the host", "standard errors": round(worst, 2)}
    done = embed(model, [mark], own, tuning(), seed=seed, rounds=4)
    marked = done.model
    yield {
        "after": "embedding", "perplexity": perplexity(marked, own), **read(mark, marked), "rounds": done.rounds,
        "margin": round(done.reached[0].margin, 2), "seconds": round(time.process_time() - began, 1),
    }  # fmt: skip
    yield {"after": "wrong key", **read(wrong.mark(), marked)}
    changes: dict[str, Callable[[], nn.Module]] = {
        "plain": lambda: fit(model, own, tuning(EPOCHS * done.rounds), seed=seed),
        "int8": lambda: Int8()(marked, other, seed=0),
        "4 bits a weight": lambda: Quantise(bits=4)(marked, other, seed=0),
        "3 bits a weight": lambda: Quantise(bits=3)(marked, other, seed=0),
        "fine-tuning, 1 epoch of other text": lambda: fit(marked, other, tuning(1), seed=seed + 7),
        "fine-tuning, 5 epochs": lambda: fit(marked, other, tuning(5), seed=seed + 7),
        "fine-tuning, 5 epochs at four times the rate": lambda: fit(marked, other, tuning(5, 2e-3), seed=seed + 7),
    }
    for name, change in changes.items():
        changed = change()
        yield {"after": name, "perplexity": perplexity(changed, own), **read(mark, changed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for seed in chosen.seeds:
        for scheme in SETTINGS if seed == 0 else SETTINGS[:1]:
            said = {"seed": seed, "family": scheme.family, "k": scheme.candidates}
            for row in measured(seed, scheme):
                line = json.dumps(said | {n: round(v, 3) if n == "perplexity" else v for n, v in row.items()})
                print(line, flush=True)
                if chosen.save:
                    with RESULTS.open("a") as out:
                        out.write(line + "\n")


if __name__ == "__main__":
    main()
