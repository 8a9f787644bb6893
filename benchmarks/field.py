"""``field`` on CIFAR-10 (JPEG): bits of the marked network and of its copies, against points lost, queries and pictures.

Run: ``python benchmarks/field.py images:cifar10-jpeg.tar.xz [--parts PART...] [--size 16] [--seeds 0 1 2] [--nets FOLDER]``;
parts are survival, lose, pictures, rehearsals, predicted and others. A network takes a CPU minute at 16 x 16 and four at 32 x 32;
all that is trained is kept in the folder, and a row that is there is not measured again.

``survival``: the marked network, and thieves who train one from scratch on its answers to as many pictures of their own as the
owner had: labels, probabilities, another architecture; and a student of the unmarked host. ``lose`` and ``pictures``: the
student of labels by what the field may cost and by how many pictures the thief has. ``rehearsals``: the same students, read
with keys of 0 to 8 rehearsals, and with random queries. ``predicted``: what an owner can know before the draw, students of a
field of another draw on his own pictures. ``others``: networks of other seeds. Bits are gross, by each of the three rules, of
5,000 labels and of the first 500, 1,250 and 2,500; with a timestamped draw 49.6 are charged.
"""

import argparse
import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _field_nets import Nets, folders, loaded
from _study import Rows, secret
from modelmark.carriers.field import Fields
from modelmark.evidence.scores import tail_bits
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.schemes.field import Field
from modelmark.suspects.module import WhiteBox
from modelmark.training.rehearsing import rehearse
from modelmark.training.task import accuracy

LOSE = 0.9
REHEARSALS = {16: 8, 32: 4}
READ = (500, 1250, 2500, 5000)
"""Queries, the most telling first."""
RULES = ("count", "graded", "nearer")


def keyed(nets: Nets, lose: float = LOSE, draw: str = "own") -> Mark:
    """Return the mark of a key with all rehearsals and the most telling queries of the pool."""
    made = attached(nets, lose, REHEARSALS[nets.size])
    name = secret("field", nets.size, nets.seed, lose, draw)
    return keygen(Field(lose=lose), nets.host, nets.whole.feed, attachments=made, secret=name).mark()


def attached(nets: Nets, lose: float, rehearsals: int, random: bool = False) -> dict[str, Any]:
    """Return what a key holds; kept, since networks answer some hundred thousand pictures for it."""
    queries = "random" if random else "chosen"
    path = nets.folders[-1] / f"attached-{nets.seed}-{lose}-{rehearsals}-{queries}.npz"
    if not path.exists():
        pool = nets.parts["pool"].train_inputs[: 5000 if random else None]
        made = Field(lose=lose).prepared(nets.host, nets.owner, students=nets.rehearsals(rehearsals), pool=pool)
        np.savez(path, **made)
    with np.load(path) as found:
        return dict(found)


def read(fields: Fields, mark: Mark, model: nn.Module) -> dict[str, Any]:
    """Return gross bits by the three rules of the first so many queries, and matches and trials of all."""
    (probe,) = fields.probes()
    (labels,) = WhiteBox(model).observe(probe)
    bits = {}
    for count in READ:
        part = dataclasses.replace(
            fields,
            inputs=fields.inputs[:count],
            coordinates=fields.coordinates[:count],
            references=fields.references[:count],
        )
        tables = [part.scores(answers) for answers in part.every([labels[:count]])]
        found = [tail_bits(table, table.total(mark.message)).bits for table in tables]
        bits[str(count)] = {rule: round(one, 1) for rule, one in zip(RULES, found, strict=True)}
        matches = tables[0].total(mark.message)
    return {"bits": bits, "matches": matches, "trials": len(mark.message)}


def told(mark: Mark, model: nn.Module, nets: Nets) -> dict[str, Any]:
    """Return accuracy and what is read."""
    return {"accuracy": round(accuracy(model, nets.owner), 4), **read(mark.carriers, mark, model)}  # type: ignore[arg-type]


def marked(nets: Nets, mark: Mark) -> nn.Module:
    return imprint(nets.host, mark)


def survival(rows: Rows, nets: Nets, only: Collection[str] = ()) -> None:
    mark = keyed(nets)
    own = marked(nets, mark)

    def student(of: str, **how: Any) -> nn.Module:
        return nets.student(f"student-{of}", own if of == f"lose{LOSE}" else nets.host, **how)

    of = f"lose{LOSE}"
    suspects = {
        "host": lambda: nets.host,
        "marked": lambda: own,
        "student of labels": lambda: student(of),
        "student of probabilities": lambda: student(of, soft=True),
        "student of labels, cnn": lambda: student(of, arch="cnn"),
        "student of the unmarked host": lambda: student("unmarked"),
    }
    for name, made in suspects.items():
        if not only or name in only:
            cell = {**_cell("survival", nets), "lose": LOSE, "suspect": name}
            rows.measure(cell, lambda made=made: told(mark, made(), nets))


def lose(rows: Rows, nets: Nets) -> None:
    for points in (0.3, 0.6, 1.5):
        cell = {**_cell("survival", nets), "lose": points}

        def measure(points: float, name: str) -> dict[str, Any]:
            mark = keyed(nets, points)
            own = marked(nets, mark)
            return told(mark, own if name == "marked" else nets.student(f"student-lose{points}", own), nets)

        for name in ("marked", "student of labels"):
            rows.measure({**cell, "suspect": name}, lambda points=points, name=name: measure(points, name))


def pictures(rows: Rows, nets: Nets) -> None:
    for count in (5000, 2000):

        def measure(count: int = count) -> dict[str, Any]:
            mark = keyed(nets)
            return told(mark, nets.student(f"student-lose{LOSE}", marked(nets, mark), pictures=count), nets)

        rows.measure({**_cell("pictures", nets), "lose": LOSE, "pictures": count}, measure)


def rehearsals(rows: Rows, nets: Nets) -> None:
    """Read what is there already with keys of fewer rehearsals and with random queries; the signs are those of the draw."""
    mark = keyed(nets)
    cells = [(count, False) for count in (0, 1, 2, 4, 8) if count <= REHEARSALS[nets.size]]
    for count, random in [*cells, (REHEARSALS[nets.size], True)]:

        def measure(count: int = count, random: bool = random) -> dict[str, Any]:
            made = attached(nets, LOSE, count, random)
            fields = Fields(nets.whole.feed, made["queries"], made["coordinates"], made["references"])
            own = marked(nets, mark)
            suspects = {
                "marked": own,
                "student of labels": nets.student(f"student-lose{LOSE}", own),
                "student of probabilities": nets.student(f"student-lose{LOSE}", own, soft=True),
            }
            return {name: read(fields, mark, model) for name, model in suspects.items()}

        queries = "random" if random else "chosen"
        rows.measure({**_cell("rehearsals", nets), "rehearsals": count, "queries": queries}, measure)


def predicted(rows: Rows, nets: Nets) -> None:
    """Train students of a field of another draw on the owner's own pictures, before the draw that counts."""

    def measure() -> dict[str, Any]:
        mark = keyed(nets, draw="rehearsed")
        own = marked(nets, mark)
        seed = 7000 + nets.seed
        recipe = nets.recipe("resnet8", len(nets.owner.train_inputs))
        learned = nets.kept(
            f"rehearsed-lose{LOSE}", "resnet8", lambda made: rehearse(made, own, nets.owner, recipe, seed=seed), seed
        )
        return told(mark, learned, nets)

    rows.measure({**_cell("predicted", nets), "lose": LOSE, "suspect": "student of labels"}, measure)


def others(rows: Rows, nets: Nets) -> None:
    """Read networks of the other seeds, which never met this owner."""
    for seed in range(3):
        if seed != nets.seed:
            other = dataclasses.replace(nets, seed=seed)
            cell = {**_cell("survival", nets), "lose": LOSE, "suspect": f"host of seed {seed}"}
            rows.measure(cell, lambda other=other: told(keyed(nets), other.host, nets))


def _cell(part: str, nets: Nets) -> dict[str, Any]:
    return {"part": part, "size": nets.size, "seed": nets.seed}


PARTS = {
    "survival": survival,
    "lose": lose,
    "pictures": pictures,
    "rehearsals": rehearsals,
    "predicted": predicted,
    "others": others,
}


def parser(description: str, name: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("data", help="data specification, as for the command line")
    made.add_argument("-o", "--output", type=Path, default=Path(f"benchmarks/results/{name}.jsonl"))
    made.add_argument("--size", type=int, choices=sorted(REHEARSALS), default=16)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument(
        "--nets", type=Path, nargs="+", default=[Path("field-nets")], help="folders of networks; the last is written to"
    )
    return made


def opened(options: argparse.Namespace) -> Sequence[Nets]:
    """Return the networks of each seed."""
    torch.set_num_threads(1)
    whole = loaded(options.data, options.size)
    return [Nets(whole, options.size, seed, folders(options.nets, options.size)) for seed in options.seeds]


def main() -> None:
    made = parser(__doc__, "field")
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument(
        "--only", nargs="+", default=[], metavar="SUSPECT", help="of survival, in words as rows have them"
    )
    options = made.parse_args()
    rows = Rows(options.output)
    for nets in opened(options):
        for part in options.parts:
            PARTS[part](rows, nets, *([options.only] if part == "survival" else []))


if __name__ == "__main__":
    main()
