"""Transfer: a student that has learnt something else before it learns the stolen model's answers."""

from dataclasses import replace
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._pictures import FAMILIES, pictures
from modelmark.attacks.extraction._students import Passes, drawn_anew, schedule, taught, with_head
from modelmark.attacks.fields import Count
from modelmark.errors import UsageError


class Transfer(Extraction, family="retraining"):
    """New weights, trained on a task without labels first, then on the stolen model's labels with a new head.

    Source: Lukas et al. 2022, arXiv 2108.04974; they start from a network trained on ImageNet and fine-tune 5 epochs at
    rate 1e-3. Rotations as a task without labels: Gidaris et al. 2018, arXiv 1803.07728.
    Departs: no other data can be assumed, so the first task is made of the thief's inputs turned by 0, 90, 180 and 270
    degrees, or of pictures drawn by rule; after so small a task fine-tuning has the suggested recipe for new weights.
    """

    pretext: Annotated[
        Literal["rotation", "pictures"],
        "tell by how much the thief's inputs are turned, or five families of drawn pictures apart: four times as many "
        "as the thief has inputs, at least 4,000",
    ] = "rotation"
    pretext_epochs: Annotated[Count, "passes over the first task, which has four times the thief's inputs or more"] = 5
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used.

        Raises:
            UsageError: inputs are no (square) pictures, or the model's last layer is not linear.
        """
        before = pretrained(stolen, thief, self.pretext, self.pretext_epochs)
        student = with_head(before, thief.task.feed.classes, seed=thief.seed)
        return taught(student, thief, task=labelled(stolen, thief.task), epochs=self.epochs)


def pretrained(model: nn.Module, thief: Thief, pretext: str, epochs: int) -> nn.Module:
    """Return the architecture of ``model`` trained from new weights on a task made without labels, head and all."""
    task, seed = thief.task, thief.seed
    if pretext == "rotation":
        images, targets = turned(task.train_inputs)
        classes = 4
    else:
        images, targets = pictures(task.feed, max(4000, 4 * len(task.train_inputs)), family="mixed", seed=seed)
        classes = len(FAMILIES)
    start = with_head(drawn_anew(model, seed=seed), classes, seed=seed)
    first = replace(task, train_inputs=images, train_targets=targets)
    return thief.fit(start, replace(schedule(start, first, epochs), augment="none"), task=first)


def turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image ``(N, C, S, S)`` turned by 0, 90, 180 and 270 degrees, and the number of quarter turns.

    Raises:
        UsageError: the images are not square.
    """
    if images.dim() != 4 or images.shape[2] != images.shape[3]:
        raise UsageError(
            f"expected square pictures to turn, got inputs {tuple(images.shape[1:])}", hint="set pretext=pictures"
        )
    quarters = torch.arange(4, device=images.device).repeat_interleave(len(images))
    return torch.cat([torch.rot90(images, turns, (2, 3)) for turns in range(4)]), quarters
