"""Smooth ensemble: several students on parts of the data, with smoothed labels, distilled into one."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import one_hot

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled, scores
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch, fit


class Ensemble(Attack):
    """Train students on disjoint parts with the stolen model's labels smoothed, then one on their mean probabilities.

    Smoothed: ``1 - eps`` on the label and ``eps / classes`` on every class. Each student has its own new weights, and
    so has the last one, which never meets the stolen model's answers themselves.

    Source: the "smooth" extraction of the toolbox of Lukas et al. 2022, arXiv 2108.04974: 3 splits, eps 0.2.
    Departs: they train 60 epochs at a learning rate that steps down; here the suggested recipe.

    Args:
        students: parts, and students before the last one.
        eps: label smoothing.
        epochs: passes in every training; 0: as suggested for the number of inputs.
    """

    name: ClassVar[str] = "ensemble"
    summary: ClassVar[str] = "several students on parts of the data, distilled into one"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "distillation"
    strengths: ClassVar[Strengths] = ({},)

    students: int = 3
    eps: float = 0.2
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.students < 1 or not 0 <= self.eps < 1:
            raise ValueError(
                f"expected at least one student and smoothing from 0 to below 1, got {self.students} and {self.eps}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the last student; the thief's own labels are not used.

        Raises:
            UsageError: fewer inputs than students.
        """
        if len(task.train_inputs) < self.students:
            raise UsageError(f"expected an input for each of {self.students} students, got {len(task.train_inputs)}")
        asked = labelled(model, task)
        classes = task.interface.classes
        smooth = one_hot(asked.train_targets, classes) * (1 - self.eps) + self.eps / classes
        shares = {str(number): 1 / self.students for number in range(self.students)}
        parts = replace(task, train_targets=smooth).split(shares, seed=seed)
        total = torch.zeros_like(smooth)
        for number, part in enumerate(parts.values(), start=1):
            student = drawn_anew(model, seed=seed + number)
            student = fit(student, part, schedule(student, part, self.epochs), seed=seed + number, watch=watch)
            total += scores(student, task.train_inputs, task).softmax(dim=1)
        last = drawn_anew(model, seed=seed)
        taught = replace(task, train_targets=total / self.students)
        return fit(last, taught, schedule(last, taught, self.epochs), seed=seed, watch=watch)
