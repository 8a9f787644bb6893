"""Queries chosen by the thief: in rounds he asks what his own student doubts most, and nothing else."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled, scores
from modelmark.attacks.extraction._students import Passes, drawn_anew, taught
from modelmark.attacks.fields import Count, Part
from modelmark.training.task import Task


class Active(Extraction, family="chosen queries", feeds=CLASSES):
    """New weights, trained on labels of the inputs that the student before was least sure of.

    The first round asks inputs at random; each later one trains a student from the same new weights on all answers so far, and
    asks the inputs on which the entropy of its probabilities is largest. Every round asks as many.

    Source: Pal et al. 2020, "ActiveThief: model extraction using active learning and unannotated public data", AAAI; the
    uncertainty strategy.
    Departs: they ask foreign photographs; here the thief's own inputs.
    """

    share: Annotated[Part, "of the thief's inputs that is asked in all"] = 0.5
    rounds: Annotated[Count, "of asking"] = 3
    round_epochs: Annotated[Count, "passes over the answers between rounds"] = 10
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task, fresh = thief.task, drawn_anew(stolen, seed=thief.seed)
        inputs = task.train_inputs
        total = max(round(self.share * len(inputs)), 1)
        rounds = min(self.rounds, total)
        first, rest = torch.randperm(len(inputs), generator=thief.generator()).tensor_split([total // rounds])
        asked = labelled(stolen, task, inputs[first])
        for number in range(1, rounds):
            student = taught(fresh, replace(thief, seed=thief.seed + number), task=asked, epochs=self.round_epochs)
            unsure = doubts(scores(student, inputs[rest], task)).argsort(descending=True, stable=True).cpu()
            more = total * (number + 1) // rounds - len(asked.train_inputs)
            asked = _with(asked, labelled(stolen, task, inputs[rest[unsure[:more]]]))
            rest = rest[unsure[more:]]
        return taught(fresh, thief, task=asked, epochs=self.epochs)


def _with(asked: Task, more: Task) -> Task:
    inputs = torch.cat([asked.train_inputs, more.train_inputs])
    return replace(asked, train_inputs=inputs, train_targets=torch.cat([asked.train_targets, more.train_targets]))


def doubts(scored: Tensor) -> Tensor:
    """Return the entropy of the probabilities that scores ``(N, classes)`` give, ``(N,)``, in nats."""
    return -(scored.softmax(dim=1) * scored.log_softmax(dim=1)).sum(dim=1)
