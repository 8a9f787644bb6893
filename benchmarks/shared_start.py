"""Copies of a marked model that begin where its owner began: at weights that everybody can download.

Run: ``python benchmarks/shared_start.py idx:mnist/ -o benchmarks/results/shared-start.jsonl [--seeds 0 1 2]`` (about ten CPU
minutes a seed); ``--table`` prints the table from the rows alone. Parts of the data that share no image: the publisher's, the
owner's, the thief's. The owner fine-tunes the published network and marks it. The thief trains on the owner's answers to his
images, labels or scores, from the published weights or from weights of his own; a third party trains on the true labels.
"""

from typing import Any

from torch import nn

from _study import Rows, command, reading, secret
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import drawn_anew, schedule
from modelmark.errors import NotEmbeddedError
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.schemes import SCHEMES, scheme_class
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import suggest
from modelmark.training.task import Task, accuracy

SHARES = {"publisher": 1 / 6, "owner": 1 / 6, "thief": 1 / 6}


def study(rows: Rows, task: Task, seed: int) -> None:
    parts = task.split(SHARES, seed=seed)
    publisher, owner, thief = (parts[name] for name in SHARES)
    fresh = build("lenet5", task.feed.input_shape, task.feed.classes, seed=seed)
    first = suggest(samples=len(publisher.train_inputs), normalised=False, trained=False, picture=False)
    published = fit(fresh, publisher, first, seed=seed)
    host = weights.digest(published.state_dict())
    later = suggest(samples=len(owner.train_inputs), normalised=False, trained=True, picture=False)
    third = fit(published, thief, schedule(published, thief), seed=seed + 50)
    for scheme in sorted(SCHEMES):
        chosen = secret("shared-start", scheme, seed)
        key = keygen(
            scheme_class(scheme)(), published, task.feed, task=owner, secret=chosen, owner=Provenance(host=host)
        )
        mark, cell = key.mark(), {"seed": seed, "scheme": scheme}
        aligned = {"align_to": published} if key.access == "white-box" else {}
        try:
            marked = embed(published, [mark], owner, later, seed=seed).model
        except NotEmbeddedError as error:
            rows.measure({**cell, "model": "marked"}, lambda error=error: {"refused": str(error)})
            continue

        def read(model: nn.Module, mark: Any = mark, aligned: Any = aligned) -> dict[str, Any]:
            return {"accuracy": accuracy(model, task), **reading(mark, model, **aligned)}

        rows.measure({**cell, "model": "marked"}, lambda read=read, marked=marked: read(marked))
        rows.measure({**cell, "model": "third party"}, lambda read=read: read(third))
        for begins, student in (("published", published), ("own", drawn_anew(marked, seed=seed))):
            for what, answers in (("labels", labelled(marked, thief)), ("scores", thief.distilled(marked))):

                def copied(student: Any = student, answers: Any = answers, read: Any = read) -> dict[str, Any]:
                    return read(fit(student, answers, schedule(student, answers), seed=seed + 50))

                rows.measure({**cell, "model": f"{what}, from {begins} weights"}, copied)


def table(rows: Rows) -> None:
    for row in sorted(rows.rows, key=lambda row: (row["scheme"], row["model"], row["seed"])):
        found = row.get("refused") or f"{row['matches']}/{row['trials']} at {100 * row['accuracy']:.2f} %"
        print(f"{row['scheme']:20} {row['model']:30} {row['seed']:3} {found}")


if __name__ == "__main__":
    command(__doc__, "shared-start", study, table)
