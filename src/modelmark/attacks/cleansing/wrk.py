"""WRK: boundaries that marked samples have bent are drawn anew, with samples pushed towards other classes."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.augment import Colours, Shifts
from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks._tools.perturb import jacobian_signs
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Part, Rate, Within
from modelmark.training.hooks import Composed
from modelmark.training.recipe import constant
from modelmark.training.task import Task

_SHIFT, _COLOUR = 0.125, 0.2


class Wrk(Removal, family="cleansing", feeds=NUMBERS):
    """Train on samples pushed towards a random class and labelled with another, then on shifted and recoloured ones (WRK).

    A pushed sample is ``x + eps sign(∂F_t(x)/∂x)`` for a class ``t`` drawn at random; its label is drawn from all but its own. A
    network that was marked with samples beside those of the task has bent its boundaries around them, whatever it does to tell
    or to hide them inside: there no label is left that means anything.

    Source: Xiao et al. 2025, arXiv 2511.07947; eps, epochs and rate from the authors' release.
    Departs: no search for a patch goes before, which is ``cleanse-unlearn`` here; each sample has its own class to go to, where
    the release draws one a batch; pictures are moved and recoloured as other attacks do it, and not turned.
    """

    strengths = (
        {"share": 0.05},
        {},
        {"share": 0.4},
        {"share": 0.4, "rate": 0.05},
        {"eps": 0.3, "share": 0.5, "rate": 0.1, "epochs": 5},
    )

    eps: Annotated[Part, "length of the push, of full scale"] = 0.15
    share: Annotated[Part, "of pushed samples, for each sample of the thief"] = 0.2
    rate: Rate = 0.01
    epochs: Epochs = 3
    after: Annotated[int, Within(0, 1000), "passes over the thief's data, moved and recoloured, that follow"] = 15
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with its boundaries drawn anew."""
        reshaped = thief.tune(stolen, self, task=pushed(stolen, thief, self.eps, self.share))
        if not self.after:
            return reshaped
        recipe = constant(self.after, self.rate, batch=self.batch, clip=1.0)
        if thief.task.feed.kind != "pictures" or len(thief.task.feed.input_shape) != 3:
            return thief.fit(reshaped, recipe)
        return thief.fit(reshaped, recipe, hooks=lambda copied: Composed([Shifts(_SHIFT), Colours(_COLOUR)]))


def pushed(stolen: nn.Module, thief: Thief, eps: float, share: float) -> Task:
    """Return the thief's task with pushed samples after its own, ``share`` of as many and at least one.

    Args:
        stolen: gives the slopes.
        thief: whose inputs are pushed, picked by his seed.
        eps: of full scale.
        share: of the inputs.
    """
    task, generator, classes = thief.task, thief.generator(), thief.task.feed.classes
    count = max(round(share * len(task.train_inputs)), 1)
    picked = torch.randperm(len(task.train_inputs), generator=generator)[:count].to(task.train_inputs.device)
    inputs, own = task.train_inputs[picked], task.labels[picked].cpu()
    towards, labels = (others(own, classes, generator).to(inputs.device) for _ in range(2))
    signs = jacobian_signs(stolen, inputs, towards, task.feed)
    samples = Extent.of(task).moved(inputs, signs, eps)
    targets = task.train_targets
    said = nn.functional.one_hot(labels, classes).to(targets) if targets.is_floating_point() else labels.to(targets)
    return replace(task, train_inputs=torch.cat([task.train_inputs, samples]), train_targets=torch.cat([targets, said]))


def others(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Return for each label another one, each of the rest as likely, int64 ``(N,)``."""
    return (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
