"""A last layer fitted anew to features that stay: what was put into the old one alone is gone with it."""

import itertools
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from modelmark.attacks._tools.augment import moved
from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks._tools.heads import head_of, whitening
from modelmark.attacks._tools.pictures import require_pictures
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.extraction._answers import scores
from modelmark.attacks.fields import Part, Within
from modelmark.training.task import Task

_STEPS = 200
_MOVES = (-1, 0, 1)


class RefitHead(Removal, family="fine-tuning", feeds=CLASSES):
    """Draw no new weights and train no layer but the last, which is fitted to the end, from zero, by logistic regression.

    Features are whitened first. Targets are the thief's own labels, or what the stolen model says itself: its probabilities, as
    they are or averaged over the picture moved by up to one pixel. With fewer directions the new scores have a lower rank.
    Unlike ``finetune`` with ``form=rtll``, which takes a few steps at one rate, it reaches the optimum.

    Source: own construction; aimed at ``field``, which may be put in by an edit of the last layer.
    """

    strengths = (
        {"targets": "averaged"},
        {"targets": "answers", "keep": 0.25},
        {"targets": "labels", "share": 0.1},
        {"targets": "labels"},
        {"targets": "labels", "keep": 0.25},
    )

    targets: Annotated[
        Literal["labels", "answers", "averaged"],
        "the thief's own labels; the stolen probabilities, as they are or averaged",
    ] = "labels"
    keep: Annotated[Part, "of the directions of the features, largest variance first; at least one"] = 1.0
    decay: Annotated[float, Within(0), "penalty on half the squares of the weights"] = 1e-3
    share: Annotated[Part, "of the thief's data that is used, drawn by the seed; a thief with little data"] = 1.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with the new last layer.

        Raises:
            UsageError: the last layer is not linear, or is not given one vector an input; the share has no sample;
                ``averaged`` for inputs that are no pictures.
        """
        task = thief.task.split({"thief": self.share}, seed=thief.seed)["thief"] if self.share < 1 else thief.task
        head = head_of(stolen, task)
        whitened = whitening(head.features, max(round(self.keep * head.layer.in_features), 1))
        if self.targets == "labels":
            wanted = task.train_targets
            wanted = wanted if wanted.is_floating_point() else one_hot(wanted, head.layer.out_features)
        else:
            wanted = self._said(stolen, task)
        weights, bias = regressed(whitened.of(head.features), wanted.to(head.features), self.decay)
        matrix = weights @ whitened.axes
        with torch.no_grad():
            head.layer.weight.copy_(matrix)
            if head.layer.bias is not None:
                head.layer.bias.copy_(bias - matrix @ whitened.mean)
        return stolen

    def _said(self, stolen: nn.Module, task: Task) -> Tensor:
        """Return probabilities of the stolen model, ``(N, classes)``."""
        images = task.train_inputs
        if self.targets == "answers":
            return scores(stolen, images, task).softmax(dim=1)
        require_pictures(task.feed, self.name, hint="set targets=labels or targets=answers")
        total = torch.zeros(())
        for down, right in itertools.product(_MOVES, _MOVES):
            where = torch.full((2, len(images)), 0, device=images.device)
            where[0], where[1] = down, right
            total = total + scores(stolen, moved(images, *where), task).softmax(dim=1) / len(_MOVES) ** 2
        return total


def regressed(points: Tensor, wanted: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Return weights ``(classes, K)`` and bias ``(classes,)`` of the least cross-entropy with a penalty, by L-BFGS from zero.

    Args:
        points: float64 ``(N, K)``.
        wanted: probabilities, ``(N, classes)``.
        decay: times half the sum of the squared weights; the bias is free.
    """
    weights = torch.zeros(wanted.shape[1], points.shape[1]).to(points).requires_grad_(True)
    bias = torch.zeros(wanted.shape[1]).to(points).requires_grad_(True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = cross_entropy(points @ weights.T + bias, wanted) + decay / 2 * weights.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[arg-type]
    return weights.detach(), bias.detach()
