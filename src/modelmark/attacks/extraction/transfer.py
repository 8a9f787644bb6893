"""Transfer: a student that has learnt something else before it learns the stolen model's answers."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._pictures import FAMILIES, pictures
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule, with_head
from modelmark.attacks.fields import Strengths
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch, fit


class Transfer(Attack):
    """Train new weights on another task, replace the head and fine-tune all layers on the stolen model's labels.

    Source: Lukas et al. 2022, arXiv 2108.04974, who start from a network trained on ImageNet and fine-tune 5 epochs at
    rate 1e-3; rotations as a task without labels: Gidaris et al. 2018, arXiv 1803.07728.
    Departs: no other data can be assumed, so the first task is made of the thief's inputs turned by 0, 90, 180 and 270
    degrees, or of pictures drawn by rule; after so small a task fine-tuning has the suggested recipe for new weights.

    Args:
        pretext: ``rotation`` tells by how much the thief's inputs are turned; ``pictures`` tells five families of
            drawn pictures apart, four times as many as the thief has inputs, at least 4,000.
        pretext_epochs: passes over the first task, which has four times the thief's inputs or more.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "transfer"
    summary: ClassVar[str] = "new weights, trained on a task without labels first, then on the stolen model's labels"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    pretext: Literal["rotation", "pictures"] = "rotation"
    pretext_epochs: int = 5
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.pretext not in ("rotation", "pictures"):
            raise ValueError(f"expected the pretext rotation or pictures, got {self.pretext!r}")
        if self.pretext_epochs < 1:
            raise ValueError(f"expected at least one epoch of the first task, got {self.pretext_epochs}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used.

        Raises:
            UsageError: inputs are no (square) pictures, or the model's last layer is not linear.
        """
        before = pretrained(model, task, self.pretext, self.pretext_epochs, seed=seed, watch=watch)
        student = with_head(before, task.interface.classes, seed=seed)
        task = labelled(model, task)
        return fit(student, task, schedule(student, task, self.epochs), seed=seed, watch=watch)


def pretrained(
    model: nn.Module, task: Task, pretext: str, epochs: int, *, seed: int, watch: Watch | None = None
) -> nn.Module:
    """Return the architecture of ``model`` trained from new weights on a task made without labels, head and all."""
    if pretext == "rotation":
        images, targets = turned(task.train_inputs)
        classes = 4
    else:
        images, targets = pictures(task.interface, max(4000, 4 * len(task.train_inputs)), family="mixed", seed=seed)
        classes = len(FAMILIES)
    start = with_head(drawn_anew(model, seed=seed), classes, seed=seed)
    first = replace(task, train_inputs=images, train_targets=targets)
    recipe = replace(schedule(start, first, epochs), augment="none")
    return fit(start, first, recipe, seed=seed, watch=watch)


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
