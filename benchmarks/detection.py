"""How well detectors without a key tell marked networks from unmarked ones: scores of each network, AUC for each pair.

Run: ``python benchmarks/detection.py digits [--seeds 1 2 3]``; about a CPU minute a seed. A seed gives two unmarked networks
(``cnn``, the second trained on for as long as embedding takes) and one of every scheme, marked from the first.
Seed 0 was looked at while the detectors were made; the table in the results is of seeds 1 to 3.
"""

from functools import cache
from typing import Any

from torch import nn

from _rows import Row, markdown
from _study import Rows, command, secret
from modelmark.attacks.detection._odd import FAMILIES
from modelmark.attacks.detection.activation_statistics import ActivationStatistics
from modelmark.attacks.detection.query_statistics import QueryStatistics
from modelmark.attacks.detection.weight_statistics import WeightStatistics
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes import SCHEMES, scheme_class
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

DETECTORS: dict[str, Any] = {
    "weight-statistics": WeightStatistics(),
    "weight-statistics spread": WeightStatistics(by="spread"),
    "activation-statistics": ActivationStatistics(),
    **{f"query-statistics {family}": QueryStatistics(family) for family in FAMILIES},
}
UNMARKED = ("unmarked", "unmarked, trained on")
RECIPE = annealed(40, 0.05, batch=64, clip=1.0)


def study(rows: Rows, task: Task, seed: int) -> None:
    """Measure one unmarked host, the same trained on, and one network of every scheme."""

    @cache
    def host() -> nn.Module:
        fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
        return fit(fresh, task, RECIPE, seed=seed)

    def marked(name: str) -> nn.Module:
        if name == UNMARKED[0]:
            return host()
        if name == UNMARKED[1]:
            return fit(host(), task, RECIPE, seed=seed + 100)
        key = keygen(scheme_class(name)(), host(), task.feed, task=task, secret=secret("detection", name, seed))
        return embed(host(), [key.mark()], task, RECIPE, seed=seed + 100).model

    def measured(name: str) -> dict[str, Any]:
        model = marked(name)
        found = {detector: attack(model, task, seed=seed) for detector, attack in DETECTORS.items()}
        return {
            "accuracy": accuracy(model, task),
            "scores": {detector: round(each.score, 4) for detector, each in found.items()},
            "marked": {detector: each.marked for detector, each in found.items()},
            "where": {detector: each.where for detector, each in found.items()},
            "length": found["weight-statistics"].length,
        }

    for name in (*UNMARKED, *sorted(SCHEMES)):
        rows.measure({"net": "cnn", "scheme": name, "seed": seed}, lambda name=name: measured(name))


def auc(positive: list[float], negative: list[float]) -> float:
    """Return the chance that a marked network's score is above an unmarked one's, ties as a half."""
    pairs = [(a > b) + (a == b) / 2 for a in positive for b in negative]
    return sum(pairs) / len(pairs)


def table(rows: Rows) -> None:
    """Print AUC and how many marked networks were past the threshold, for each detector and scheme."""
    print(rates(rows.rows))


def rates(found: list[Row]) -> str:
    """Return the table of ``table``."""
    unmarked = [row for row in found if row["scheme"] in UNMARKED]
    schemes = sorted({row["scheme"] for row in found} - set(UNMARKED))
    body = []
    for detector in unmarked[0]["scores"] if unmarked else ():
        line = []
        for name in schemes:
            own = [row for row in found if row["scheme"] == name]
            value = auc([row["scores"][detector] for row in own], [row["scores"][detector] for row in unmarked])
            line.append(f"{value:.2f} ({sum(row['marked'][detector] for row in own)}/{len(own)})")
        wrong = sum(row["marked"][detector] for row in unmarked)
        body.append([detector, *line, f"{wrong}/{len(unmarked)}"])
    return markdown(["detector", *schemes, "of unmarked"], body)


if __name__ == "__main__":
    command(__doc__, "detection", study, table)
