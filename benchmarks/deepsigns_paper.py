"""DeepSigns 2018 at its size: the CNN of the paper (two pairs of convolutions, 512 units) and both of its marks, on CIFAR-10.

Wants a GPU: ``python benchmarks/deepsigns_paper.py images:cifar10-jpeg.tar.xz`` (JPEG copies, lossy). Not run on one yet. Rows:
the network without a mark; white-box bits in the input of the head, black-box keys of 20; each pruned, fine-tuned for 50 epochs,
and overwritten by a second mark of the same kind. Networks are kept in ``--keep`` and rows that are there are not measured again,
so that a run that was stopped goes on. On any machine ``digits --epochs 4 --attack-epochs 1 --device cpu`` shows that it runs.
Departs: bits and labels are drawn after the carriers are committed; the marks go into the trained network, with its epochs again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from _paper import Paper, arguments
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.marks.marks import Mark
from modelmark.schemes.base import Scheme
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.training.loop import suggested
from modelmark.training.recipe import Recipe
from modelmark.training.task import accuracy

WHAT = ("marks", "pruning", "fine-tuning", "overwriting")
SCHEMES: dict[str, Callable[[], Scheme]] = {
    "white-box": lambda: DeepSigns(layer="head"),
    "white-box, literal weights": lambda: DeepSigns(
        layer="head", strength=0.01, separation=0.01, norm=0.01, margin=0.0
    ),
    "black-box": lambda: DeepSignsBlackBox(keys=20),
}
SHARES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Of all weights, pruned."""
RATES = (0.001, 0.01)


def recipe(paper: Paper, *, trained: bool, epochs: int = 0) -> Recipe:
    """Return what the network is trained with; the paper gives no schedule for it."""
    made = suggested(paper.fresh(), paper.task, trained=trained, epochs=epochs or paper.given.epochs)
    return replace(made, channels_last=True)


def unmarked(paper: Paper) -> nn.Module:
    """Return the network without a mark."""
    return paper.network("unmarked", lambda: paper.trained(paper.fresh(), [], recipe(paper, trained=False)))


def marked(paper: Paper, name: str) -> tuple[Mark, nn.Module]:
    """Return a mark and the network that was trained on with it."""
    mark = paper.mark(SCHEMES[name](), name, model=unmarked(paper), short=name == "black-box")
    return mark, paper.network(
        name.replace(",", ""), lambda: paper.trained(unmarked(paper), [mark], recipe(paper, trained=True))
    )


def marks(paper: Paper) -> None:
    paper.row({"what": "marks", "mark": "none"}, lambda: {"accuracy": accuracy(unmarked(paper), paper.task)})
    for name in SCHEMES:

        def measure(name: str = name) -> dict[str, Any]:
            mark, model = marked(paper, name)
            return {**paper.read(mark, model), "unmarked": paper.read(mark, unmarked(paper))}

        paper.row({"what": "marks", "mark": name}, measure)


def pruning(paper: Paper) -> None:
    for name in SCHEMES:
        for share in SHARES:

            def measure(name: str = name, share: float = share) -> dict[str, Any]:
                mark, model = marked(paper, name)
                return paper.read(mark, Prune(share)(model, paper.task, seed=0))

            paper.row({"what": "pruning", "mark": name, "share": share}, measure)


def fine_tuning(paper: Paper) -> None:
    for name in SCHEMES:
        for rate in RATES:

            def measure(name: str = name, rate: float = rate) -> dict[str, Any]:
                mark, model = marked(paper, name)
                attack = FineTune(form="ftal", rate=rate, epochs=paper.given.attack_epochs)
                return paper.read(mark, attack(model, paper.task, seed=0))

            cell = {"what": "fine-tuning", "mark": name, "rate": rate, "attack epochs": paper.given.attack_epochs}
            paper.row(cell, measure)


def overwriting(paper: Paper) -> None:
    for name in SCHEMES:

        def measure(name: str = name) -> dict[str, Any]:
            mark, model = marked(paper, name)
            there = marked(paper, name)[1]
            own = paper.mark(SCHEMES[name](), name, "thief", model=there, short=name == "black-box")
            after = paper.trained(model, [own], recipe(paper, trained=True, epochs=paper.given.attack_epochs))
            return {**paper.read(mark, after), "thief": paper.read(own, after)}

        paper.row({"what": "overwriting", "mark": name, "attack epochs": paper.given.attack_epochs}, measure)


def main() -> None:
    given = arguments(__doc__, "deepsigns-paper", "cnn", WHAT, 30, attack_epochs=50)
    paper = Paper("deepsigns-paper", given)
    studies = dict(zip(WHAT, (marks, pruning, fine_tuning, overwriting), strict=True))
    for name in given.what:
        studies[name](paper)


if __name__ == "__main__":
    main()
