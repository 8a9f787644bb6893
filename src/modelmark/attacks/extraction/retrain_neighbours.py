"""Retraining on what neighbours say: labels are smoothed over inputs that a first student of the thief's finds alike."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks._tools.heads import head_of, whitening
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Within

_ROWS = 512


class RetrainNeighbours(Extraction, family="retraining", feeds=CLASSES):
    """New weights, trained on the label that most of an input's nearest neighbours were given by the stolen model.

    A first student of the stolen labels says what is near: distances are between whitened last features of it, the directions of
    most variance alone. Each input is asked once.

    Source: own construction; labels corrected by neighbours as in Wilson 1972, "Asymptotic properties of nearest neighbor
    rules using edited data".
    """

    neighbours: Annotated[
        int, Within(1, 1000), "that vote beside the input itself, whose voice counts one and a half"
    ] = 8
    directions: Annotated[int, Within(1, 10_000), "of the first student's features that count, at most"] = 16
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the second student; the thief's own labels are not used.

        Raises:
            UsageError: the last layer is not linear, or is not given one vector an input.
        """
        asked = labelled(stolen, thief.task)
        first = retrained(stolen, replace(thief, seed=thief.seed + 1), task=asked, epochs=self.epochs)
        features = head_of(first, asked).features
        space = whitening(features, self.directions).of(features).float()
        found = agreed(space, one_hot(asked.train_targets, asked.feed.classes).to(space), self.neighbours)
        smooth = replace(asked, train_targets=found.to(asked.train_targets.device))
        return retrained(stolen, thief, task=smooth, epochs=self.epochs)


def agreed(points: Tensor, given: Tensor, neighbours: int) -> Tensor:
    """Return the label that most of each point's neighbours were given, its own counted one and a half times: int64 ``(N,)``.

    Args:
        points: ``(N, K)``.
        given: their labels, one-hot ``(N, classes)``.
        neighbours: that vote, at most; all other points where there are fewer.
    """
    near = nearest(points, min(neighbours, len(points) - 1))
    return (1.5 * given + given[near].sum(dim=1)).argmax(dim=1)


def nearest(points: Tensor, count: int) -> Tensor:
    """Return the numbers of the ``count`` points nearest to each of ``(N, K)`` points, itself left out: int64 ``(N, count)``."""
    found = []
    for start in range(0, len(points), _ROWS):
        distances = torch.cdist(points[start : start + _ROWS], points)
        each = torch.arange(len(distances), device=points.device)
        distances[each, start + each] = torch.inf
        found.append(distances.topk(count, largest=False).indices)
    return torch.cat(found)
