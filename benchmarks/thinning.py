"""``null`` and ``coupled`` mixed into every batch, every second, every fourth: CPU seconds, symbols and accuracy.

``python benchmarks/thinning.py digits --net cnn`` (a minute or two). A host of the suggested recipe is trained on with the whole
recipe and each mark; nothing is settled, so that what training alone brings is seen. One seed and thread; CPU seconds mean
something beside each other alone.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from _study import Rows, reading, secret
from modelmark import data
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.suspects import weights
from modelmark.training.loop import fit, suggested
from modelmark.training.task import Task

SCHEMES = {"null": NullEmbedding, "coupled": Coupled}
EVERY = (1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="data specification, as for the command line")
    parser.add_argument("--net", default="cnn")
    parser.add_argument("--every", type=int, nargs="+", default=list(EVERY))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/thinning.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, task = Rows(given.output), Task.from_dataset(data.load(given.data))
    fresh = build(given.net, task.feed.input_shape, task.feed.classes, seed=0)
    host = fit(fresh, task, suggested(fresh, task), seed=0)
    recipe = suggested(host, task, trained=True)
    source = Path(given.data.partition(":")[2] or given.data).name

    def measure(name: str, every: int) -> dict[str, Any]:
        key = keygen(
            SCHEMES[name](mix_every=every), host, task.feed, task=task, secret=secret("thinning", name),
            owner=Provenance(host=weights.digest(host.state_dict())),
        )  # fmt: skip
        started = time.process_time()
        done = embed(host, [key.mark()], task, recipe, seed=0, rounds=1, settling=False, keep=True)
        seconds = round(time.process_time() - started, 2)
        (reached,) = done.reached
        return {
            "seconds": seconds, "margin": round(reached.margin, 3), "short": reached.short, "epochs": done.epochs,
            "before": done.accuracy_before, "after": done.accuracy_after, **reading(key.mark(), done.model),
        }  # fmt: skip

    for name in SCHEMES:
        for every in given.every:
            cell = {"data": source, "net": given.net, "scheme": name, "every": every}
            rows.measure(cell, lambda name=name, every=every: measure(name, every))  # type: ignore[misc]


if __name__ == "__main__":
    main()
