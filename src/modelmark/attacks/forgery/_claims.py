"""What forgers of black-box marks share: a claim in the shape of an ``adi`` key, random pictures, and the model's answers."""

from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks.fields import Within
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import Task

Start = Literal["noise", "pictures"]
Triggers = Annotated[int, Within(1, 16384), "pictures claimed"]


def pictures_claim(pictures: Tensor, labels: Tensor, *, tries: int) -> Forged:
    """Return the claim that ``labels`` ``(N,)`` were embedded for ``pictures``, stored ``(N, *input_shape)``."""
    given = labels.cpu().numpy().astype(np.int64)
    settings = {"triggers": len(given), "pictures": "own", "message": "imported"}
    return Forged("adi", given, settings, {"triggers": pictures.cpu().numpy(), "labels": given}, tries)


def started(start: Start, count: int, task: Task, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return ``count`` pictures to begin with and their own classes, -1 for noise.

    Raises:
        UsageError: the forger has fewer pictures than that.
    """
    if start == "noise":
        return Extent.of(task).drawn(count, generator), torch.full((count,), -1)
    if count > len(task.train_inputs):
        raise UsageError(
            f"expected at least {count} pictures of the forger's own, got {len(task.train_inputs)}",
            hint="start from noise, or use fewer",
        )
    picked = torch.randperm(len(task.train_inputs), generator=generator)[:count].to(task.train_inputs.device)
    return task.train_inputs[picked].cpu(), task.labels[picked].cpu()


def other_labels(own: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Return a label for each picture, uniform over all classes but its own ``(N,)``, or over all where that is -1."""
    moved = (own + torch.randint(1, classes, own.shape, generator=generator)) % classes
    return torch.where(own < 0, torch.randint(0, classes, own.shape, generator=generator), moved)


def answers(model: nn.Module, pictures: Tensor, task: Task) -> Tensor:
    """Return the model's answer to each stored picture, int64 ``(N,)``, on the CPU."""
    return logits(model, Normalise(task.feed)(pictures)).argmax(dim=1).cpu()
