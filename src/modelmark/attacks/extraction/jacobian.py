"""Jacobian-based data set augmentation: a handful of inputs grows into the queries a copy needs."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks._tools.perturb import jacobian_signs
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import drawn_anew, taught
from modelmark.attacks.fields import Count, Part, Within


class Jacobian(Extraction, family="synthetic queries", feeds=NUMBERS):
    """New weights, trained on few inputs multiplied along the student's Jacobian.

    Each round doubles the inputs: ``x + λ sign(∂F_y(x)/∂x)``, with F the student and y the stolen label. It trains that student
    from the same new weights on all queries so far; after the last doubling the final one is trained. ``λ`` changes its sign
    every ``period`` rounds.

    Source: Papernot et al. 2017, arXiv 1602.02697; 150 inputs, 6 rounds, λ 0.1, 10 epochs a round, sign changes (PSS).
    Departs: fewer rounds; the final student has the suggested recipe; no reservoir sampling, so the queries double to the
    end.
    """

    samples: Annotated[Count, "inputs of the thief that are used at all"] = 150
    rounds: Annotated[int, Within(0, 12), "doublings; there are samples * 2 ** rounds queries"] = 3
    step: Annotated[Part, "λ, of full scale"] = 0.1
    period: Annotated[int, Within(0), "rounds between changes of sign; 0: none"] = 2
    round_epochs: Annotated[Count, "passes in every round"] = 10
    epochs: Annotated[int, Within(0), "passes in the final training; 0: as suggested for the number of queries"] = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task, seed, extent = thief.task, thief.seed, Extent.of(thief.task)
        fresh = drawn_anew(stolen, seed=seed)
        asked = labelled(stolen, task.subset(min(self.samples, len(task.train_inputs)), seed=seed))
        for number in range(self.rounds):
            student = taught(fresh, replace(thief, seed=seed + number), task=asked, epochs=self.round_epochs)
            signs = jacobian_signs(student, asked.train_inputs, asked.train_targets, task.feed)
            step = -self.step if self.period and (number // self.period) % 2 else self.step
            asked = labelled(
                stolen, task, torch.cat([asked.train_inputs, extent.moved(asked.train_inputs, signs, step)])
            )
        return taught(fresh, thief, task=asked, epochs=self.epochs)
