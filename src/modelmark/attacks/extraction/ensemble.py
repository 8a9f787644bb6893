"""Smooth ensemble: several students on parts of the data, with smoothed labels, distilled into one."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled, scores
from modelmark.attacks.extraction._students import retrained
from modelmark.attacks.fields import Count, Within
from modelmark.errors import UsageError


class Ensemble(Extraction, family="distillation", feeds=CLASSES):
    """Several students on parts of the data, distilled into one by their mean probabilities.

    They learn the stolen model's labels smoothed: ``1 - eps`` on the label and ``eps / classes`` on every class. Each student
    has its own new weights, and so has the last one, which never meets the stolen model's answers themselves.

    Source: Lukas et al. 2022, arXiv 2108.04974; the "smooth" extraction of their toolbox: 3 splits, eps 0.2.
    Departs: they train 60 epochs at a learning rate that steps down; here the suggested recipe.
    """

    students: Annotated[Count, "parts, and students before the last one"] = 3
    eps: Annotated[float, Within(0, 1, open="high"), "label smoothing"] = 0.2
    epochs: Annotated[int, Within(0), "passes in every training; 0: as suggested for the number of inputs"] = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the last student; the thief's own labels are not used.

        Raises:
            UsageError: fewer inputs than students.
        """
        task, seed, classes = thief.task, thief.seed, thief.task.feed.classes
        if len(task.train_inputs) < self.students:
            raise UsageError(f"expected an input for each of {self.students} students, got {len(task.train_inputs)}")
        labels = labelled(stolen, task).train_targets
        smooth = one_hot(labels, classes) * (1 - self.eps) + self.eps / classes
        shares = {str(number): 1 / self.students for number in range(self.students)}
        total = torch.zeros_like(smooth)
        for number, part in enumerate(replace(task, train_targets=smooth).split(shares, seed=seed).values(), start=1):
            own = replace(thief, seed=seed + number)
            student = retrained(stolen, own, task=part, epochs=self.epochs)
            total += scores(student, task.train_inputs, task).softmax(dim=1)
        last = replace(task, train_targets=total / self.students)
        return retrained(stolen, thief, task=last, epochs=self.epochs)
