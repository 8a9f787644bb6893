"""Showing the triggers that happen to match and none of the others."""

from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


class Subset(Attack):
    """Commit to many random triggers with random labels, then open those that an unmarked model answers by luck.

    The choice of 40 among 1,000 is worth log2 of a binomial coefficient, 238 bits, more than 40 matches give at ten classes.

    Source: own construction (protocol.md, section 0, item 4).

    Args:
        committed: triggers in all.
        opened: how many are shown.
        start: ``noise``, or the forger's ``pictures``, whose drawn labels then seldom match.
    """

    name: ClassVar[str] = "subset"
    summary: ClassVar[str] = "open the triggers whose random labels happen to match"
    source: ClassVar[str] = "own construction"
    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]] = ("adi",)
    transfers: ClassVar[bool] = False
    family: ClassVar[str] = "forgery"
    strengths: ClassVar[Strengths] = ({},)

    committed: int = 1000
    opened: int = 40
    start: _claims.Start = "noise"

    def __post_init__(self) -> None:
        if not 1 <= self.opened <= self.committed <= 16384:
            raise ValueError(
                f"expected 1 to 16384 committed triggers, at least as many as are opened, got {self.committed} "
                f"and {self.opened}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return the claim of what is opened; ``tries`` counts what was committed.

        Raises:
            UsageError: fewer than ``opened`` match.
        """
        generator = torch.Generator().manual_seed(seed)
        pictures, _ = _claims.started(self.start, self.committed, task, generator)
        labels = torch.randint(0, task.interface.classes, (self.committed,), generator=generator)
        matching = (labels == _claims.answers(model, pictures, task)).nonzero()[: self.opened, 0]
        if len(matching) < self.opened:
            raise UsageError(
                f"expected {self.opened} matches by luck among {self.committed} triggers, got {len(matching)}",
                hint="commit to more, or open fewer",
            )
        return _claims.pictures_claim(pictures[matching], labels[matching], tries=self.committed)
