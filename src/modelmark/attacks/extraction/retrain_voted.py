"""Retraining on votes: each picture is asked several times, moved a little, and the student gets what most answers said."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.augment import moved
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labels
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Within


class RetrainVoted(Extraction, family="retraining", pictures=True):
    """New weights, trained on the label that most answers about a picture and the same moved a little agree on.

    Asks ``asks`` queries a picture, the first about the picture as it is; in a tie its answer counts twice.

    Source: own construction; after Cao and Gong 2017, arXiv 1709.05583, who vote over the neighbourhood of an input.
    """

    asks: Annotated[int, Within(1, 1000), "queries a picture"] = 5
    shift: Annotated[int, Within(0, 1000), "pixels by which it moves at most, along either side"] = 1
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task, found = thief.task, self.voted(stolen, thief)
        return retrained(stolen, thief, task=replace(task, train_targets=found), epochs=self.epochs)

    def voted(self, stolen: nn.Module, thief: Thief) -> Tensor:
        """Return the label of each picture that most answers give, int64 ``(N,)``."""
        task, generator = thief.task, thief.generator()
        images, classes = task.train_inputs, task.feed.classes
        first = labels(stolen, images, task)
        votes = 1.5 * one_hot(first, classes)
        for _ in range(self.asks - 1):
            down, right = torch.randint(-self.shift, self.shift + 1, (2, len(images)), generator=generator)
            where = down.to(images.device), right.to(images.device)
            votes += one_hot(labels(stolen, moved(images, *where), task), classes)
        return votes.argmax(dim=1)
