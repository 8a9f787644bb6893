"""Uchida et al. 2017 at their size: WRN-10-4 on CIFAR-10 (here re-encoded as JPEG, lossy), 200 epochs by their schedule.

Wants a GPU: ``python benchmarks/uchida_paper.py images:cifar10-jpeg.tar.xz``. Not run on one yet. Rows: their three kinds of
rows; trained on and distilled; 256 to 2,048 bits in each group; the marked kernel pruned; fine-tuning; overwriting. Networks are
kept in ``--keep`` and rows that are there are not measured again, so that a run that was stopped goes on. On any machine ``digits
--epochs 2 --attack-epochs 1 --device cpu --what kinds pruning overwriting`` shows that it runs.
Departs: bits are drawn after the rows are committed, where the release has ones; their rotation by 10 degrees is left out.
"""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import softplus

from _paper import Paper, arguments
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import CapacityError
from modelmark.marks.marks import Mark
from modelmark.networks import layers
from modelmark.schemes.uchida import Uchida
from modelmark.training.recipe import Recipe, constant, released

WHAT = ("kinds", "situations", "capacity", "pruning", "fine-tuning", "overwriting")
GROUPS = ("conv2", "conv3", "conv4")
LAYER = "{}.0.conv2"
BITS = (256, 512, 1024, 2048)
SHARES = (0.3, 0.5, 0.65, 0.8, 0.9, 0.95)
RATE = 0.02
"""Of training on and of overwriting: the second plateau of the schedule."""


def marked(paper: Paper, group: str, bits: int, projection: str) -> tuple[Mark, nn.Module]:
    """Return a mark and the network that was trained with it from scratch."""
    scheme = Uchida(layer=LAYER.format(group), bits=bits, projection=projection)  # type: ignore[arg-type]
    mark = paper.mark(scheme, group, bits, projection)
    recipe = released("uchida", paper.given.epochs)
    return mark, paper.network(
        f"{group} {bits} {projection}", lambda: paper.trained(paper.fresh(), [mark], fitting(paper, recipe))
    )


def unmarked(paper: Paper) -> nn.Module:
    """Return the network without a mark."""
    recipe = fitting(paper, released("uchida", paper.given.epochs))
    return paper.network("unmarked", lambda: paper.trained(paper.fresh(), [], recipe))


def fitting(paper: Paper, recipe: Recipe) -> Recipe:
    """Return a recipe in the fast memory format; for tries on small pictures without crops and mirroring, and clipped."""
    small = min(paper.task.feed.input_shape[1:]) < 28
    tried = {"augment": "none", "clip": 1.0} if small else {}
    return replace(recipe, channels_last=True, **tried)  # type: ignore[arg-type]


def read(paper: Paper, mark: Mark, model: nn.Module) -> dict[str, Any]:
    """Return accuracy, reading, and the paper's E_R a bit."""
    return {"E_R": round(float(softplus(-mark.margins(model)).mean()), 6), **paper.read(mark, model)}


@torch.no_grad()
def pruned(model: nn.Module, path: str, share: float) -> nn.Module:
    """Zero the smallest weights of one layer, in place."""
    weight = layers.weight(model, path)
    least = weight.abs().flatten().kthvalue(max(1, math.floor(share * weight.numel()))).values
    weight[weight.abs() <= least] = 0.0
    return model


def kinds(paper: Paper) -> None:
    for projection in ("direct", "diff", "random"):
        paper.row(
            {"what": "kinds", "group": "conv2", "bits": 256, "rows": projection},
            lambda projection=projection: read(paper, *marked(paper, "conv2", 256, projection)),  # type: ignore[misc]
        )
    paper.row(
        {"what": "kinds", "group": "conv2", "bits": 256, "rows": "none"},
        lambda: read(paper, paper.mark(Uchida(layer=LAYER.format("conv2"), bits=256)), unmarked(paper)),
    )


def situations(paper: Paper) -> None:
    recipe = fitting(paper, constant(paper.given.attack_epochs, RATE, batch=64, weight_decay=0.0, augment="crop-flip"))
    mark = paper.mark(Uchida(layer=LAYER.format("conv2"), bits=256, projection="random"), "situations")

    def of(name: str) -> dict[str, Any]:
        task = paper.here.distilled(unmarked(paper).cpu()).to(paper.given.device) if name == "distilled" else paper.task
        return read(paper, mark, paper.trained(unmarked(paper), [mark], recipe, task=task))

    for name in ("trained on", "distilled"):
        paper.row(
            {"what": "situations", "how": name, "attack epochs": paper.given.attack_epochs}, lambda name=name: of(name)
        )  # type: ignore[misc]


def capacity(paper: Paper) -> None:
    for group in GROUPS:
        for bits in BITS:

            def measure(group: str = group, bits: int = bits) -> dict[str, Any]:
                try:
                    return read(paper, *marked(paper, group, bits, "random"))
                except CapacityError as error:
                    return {"refused": str(error)}

            paper.row({"what": "capacity", "group": group, "bits": bits}, measure)


def pruning(paper: Paper) -> None:
    for share in SHARES:

        def measure(share: float = share) -> dict[str, Any]:
            mark, model = marked(paper, "conv2", 256, "random")
            return read(paper, mark, pruned(model, LAYER.format("conv2"), share))

        paper.row({"what": "pruning", "share": share}, measure)


def fine_tuning(paper: Paper) -> None:
    for rate in (0.001, 0.01):

        def measure(rate: float = rate) -> dict[str, Any]:
            mark, model = marked(paper, "conv2", 256, "random")
            attack = FineTune(form="ftal", rate=rate, epochs=paper.given.attack_epochs)
            return read(paper, mark, attack(model, paper.task, seed=0))

        paper.row({"what": "fine-tuning", "rate": rate, "attack epochs": paper.given.attack_epochs}, measure)


def overwriting(paper: Paper) -> None:
    recipe = fitting(paper, constant(paper.given.attack_epochs, RATE, batch=64, weight_decay=0.0, augment="crop-flip"))
    for bits in BITS[:3]:

        def measure(bits: int = bits) -> dict[str, Any]:
            mark, model = marked(paper, "conv2", 256, "random")
            own = paper.mark(Uchida(layer=LAYER.format("conv2"), bits=bits, projection="random"), "thief", bits)
            after = paper.trained(model, [own], recipe)
            return {**read(paper, mark, after), "thief": paper.read(own, after)}

        paper.row({"what": "overwriting", "bits": bits, "attack epochs": paper.given.attack_epochs}, measure)


def main() -> None:
    given = arguments(__doc__, "uchida-paper", "wrn-10-4", WHAT, 200)
    paper = Paper("uchida-paper", given)
    studies = dict(zip(WHAT, (kinds, situations, capacity, pruning, fine_tuning, overwriting), strict=True))
    for name in given.what:
        studies[name](paper)


if __name__ == "__main__":
    main()
