"""Wen et al. 2023 at their size: ResNet-18 on CIFAR-10 (here re-encoded as JPEG, lossy), their schedule and their attacks.

Wants a GPU: ``python benchmarks/coupled_paper.py images:cifar10-jpeg.tar.xz``. Not run on one yet. Rows: the literal mark (two
classes, one label, 30 pictures, direct and overlaid) and the drawn one, with masking and without; global pruning in steps of a
tenth; fine-tuning on 1,000 pictures at their 1e-5, and at 1e-3 and 1e-2, which move weights; extraction by labels and by scores.
Networks are kept in ``--keep`` and rows that are there are not measured again, so that a run that was stopped goes on. On any
machine ``digits --arch cnn --epochs 2 --attack-epochs 1 --device cpu`` shows that it runs.
Departs: masking follows a step; ten of their own pictures for 128 become 8 in a hundred.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from _paper import Paper, arguments
from modelmark.attacks.extraction.retrain import Retrain
from modelmark.attacks.extraction.retrain_soft import RetrainSoft
from modelmark.attacks.pruning.prune import Prune
from modelmark.marks.marks import Mark
from modelmark.schemes.coupled import Coupled
from modelmark.training.loop import fit, suggested
from modelmark.training.recipe import Recipe, constant, stepped
from modelmark.training.task import accuracy

WHAT = ("marks", "pruning", "fine-tuning", "extraction")
SCHEMES: dict[str, Callable[[], Coupled]] = {
    "direct": lambda: Coupled(message="literal"),
    "direct, no masking": lambda: Coupled(message="literal", mask_ratio=0.0),
    "overlay": lambda: Coupled(message="literal", fusion="overlay"),
    "overlay, no masking": lambda: Coupled(message="literal", fusion="overlay", mask_ratio=0.0),
    "drawn": Coupled,
}
SHARES = tuple(tenth / 10 for tenth in range(1, 10))
RATES = (1e-5, 1e-3, 1e-2)
SAMPLES = 1000
"""Of the thief who fine-tunes."""


def schedule(paper: Paper) -> Recipe:
    """Return 40 epochs from 0.01, a tenth of it from 15, 25 and 35 on, stretched to as many as were typed."""
    epochs = paper.given.epochs
    parts = [max(1, round(epochs * part / 40)) for part in (15, 10, 10, 5)]
    steps = tuple((part, 0.01 / 10**number) for number, part in enumerate(parts))
    augment = suggested(paper.fresh(), paper.task).augment
    return stepped(steps, batch=128, nesterov=False, augment=augment, channels_last=True)


def unmarked(paper: Paper) -> nn.Module:
    """Return the clean checkpoint that they begin with."""
    fresh = paper.fresh()
    recipe = replace(suggested(fresh, paper.task, epochs=paper.given.epochs), channels_last=True)
    return paper.network("unmarked", lambda: paper.trained(fresh, [], recipe))


def marked(paper: Paper, name: str) -> tuple[Mark, nn.Module]:
    """Return a mark and the network that was trained on with it."""
    mark = paper.mark(SCHEMES[name](), name, model=unmarked(paper))
    return mark, paper.network(name.replace(",", ""), lambda: paper.trained(unmarked(paper), [mark], schedule(paper)))


def each(paper: Paper, what: str, cells: list[dict[str, Any]], after: Callable[..., nn.Module]) -> None:
    """Measure what is left of every mark after each attack."""
    for name in SCHEMES:
        for cell in cells:

            def measure(name: str = name, cell: dict[str, Any] = cell) -> dict[str, Any]:
                mark, model = marked(paper, name)
                return paper.read(mark, after(model, **cell))

            paper.row({"what": what, "mark": name, **cell, "attack epochs": paper.given.attack_epochs}, measure)


def marks(paper: Paper) -> None:
    paper.row({"what": "marks", "mark": "none"}, lambda: {"accuracy": accuracy(unmarked(paper), paper.task)})
    for name in SCHEMES:

        def measure(name: str = name) -> dict[str, Any]:
            mark, model = marked(paper, name)
            return {**paper.read(mark, model), "unmarked": paper.read(mark, unmarked(paper))}

        paper.row({"what": "marks", "mark": name}, measure)


def pruning(paper: Paper) -> None:
    each(
        paper, "pruning", [{"share": share} for share in SHARES],
        lambda model, share: Prune(share)(model, paper.task, seed=0),
    )  # fmt: skip


def fine_tuning(paper: Paper) -> None:
    few = paper.task.subset(SAMPLES, seed=1)

    def tuned(model: nn.Module, rate: float) -> nn.Module:
        return fit(model, few, constant(10 * paper.given.attack_epochs, rate, batch=32, nesterov=False), seed=0)

    each(paper, "fine-tuning", [{"rate": rate} for rate in RATES], tuned)


def extraction(paper: Paper) -> None:
    forms = {"labels": Retrain, "scores": RetrainSoft}

    def extracted(model: nn.Module, answers: str) -> nn.Module:
        return forms[answers](epochs=paper.given.attack_epochs)(model, paper.task, seed=0)

    each(paper, "extraction", [{"answers": name} for name in forms], extracted)


def main() -> None:
    given = arguments(__doc__, "coupled-paper", "resnet18", WHAT, 40)
    paper = Paper("coupled-paper", given)
    studies = dict(zip(WHAT, (marks, pruning, fine_tuning, extraction), strict=True))
    for name in given.what:
        studies[name](paper)


if __name__ == "__main__":
    main()
