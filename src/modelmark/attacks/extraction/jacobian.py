"""Jacobian-based data set augmentation: a handful of inputs grows into the queries a copy needs."""

from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._perturb import jacobian_signs, moved
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch, fit


class Jacobian(Attack):
    """Double a small set of inputs each round, ``x + λ sign(∂F_y(x)/∂x)``, with F the student and y the stolen label.

    Every round trains a student from the same new weights on all queries so far; after the last doubling the final one
    is trained. ``λ`` changes its sign every ``period`` rounds.

    Source: Papernot et al. 2017, arXiv 1602.02697: 150 inputs, 6 rounds, λ 0.1, 10 epochs a round, sign changes (PSS).
    Departs: fewer rounds; the final student has the suggested recipe; no reservoir sampling, so the queries double to the
    end.

    Args:
        samples: inputs of the thief that are used at all.
        rounds: doublings; there are ``samples * 2 ** rounds`` queries.
        step: λ, of full scale.
        period: rounds between changes of sign; 0: none.
        round_epochs: passes in every round.
        epochs: passes in the final training; 0: as suggested for the number of queries.
    """

    name: ClassVar[str] = "jacobian"
    summary: ClassVar[str] = "new weights, trained on few inputs multiplied along the student's Jacobian"
    source: ClassVar[str] = "Papernot et al. 2017, arXiv 1602.02697"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "synthetic queries"
    strengths: ClassVar[Strengths] = ({},)

    samples: int = 150
    rounds: int = 3
    step: float = 0.1
    period: int = 2
    round_epochs: int = 10
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.samples < 1 or self.round_epochs < 1 or self.period < 0 or not 0 <= self.rounds <= 12:
            raise ValueError(
                f"expected at least one sample and epoch a round, a period of 0 or more and 0 to 12 rounds, got "
                f"{self.samples}, {self.round_epochs}, {self.period} and {self.rounds}"
            )
        if not 0 < self.step <= 1:
            raise ValueError(f"expected a step above 0 and at most 1, got {self.step}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        fresh = drawn_anew(model, seed=seed)
        asked = labelled(model, task.subset(min(self.samples, len(task.train_inputs)), seed=seed))
        for number in range(self.rounds):
            student = fit(fresh, asked, schedule(fresh, asked, self.round_epochs), seed=seed + number, watch=watch)
            signs = jacobian_signs(student, asked.train_inputs, asked.train_targets, task.interface)
            step = -self.step if self.period and (number // self.period) % 2 else self.step
            grown = torch.cat([asked.train_inputs, moved(asked.train_inputs, signs, step)])
            asked = labelled(model, task, grown)
        return fit(fresh, asked, schedule(fresh, asked, self.epochs), seed=seed, watch=watch)
