"""Showing the triggers that happen to match and none of the others."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError


class Subset(Forgery, feeds=NUMBERS):
    """Commit to many random triggers with random labels, then open those that an unmarked model answers by luck.

    The choice of 40 among 1,000 is worth log2 of a binomial coefficient, 238 bits, more than 40 matches give at ten classes.

    Source: own construction; against claims that need not open all that was committed to.
    """

    forges = ("adi",)

    committed: Annotated[_claims.Triggers, "triggers in all"] = 1000
    opened: Annotated[_claims.Triggers, "how many are shown"] = 40
    start: Annotated[_claims.Start, "or the forger's pictures, whose drawn labels then seldom match"] = "noise"

    def check(self) -> None:
        """Raise ValueError if more are opened than committed."""
        if self.opened > self.committed:
            raise ValueError(f"expected opened from 1 to committed, {self.committed}, got {self.opened}")

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim of what is opened; ``tries`` counts what was committed.

        Raises:
            UsageError: fewer than ``opened`` match.
        """
        task, generator = forger.task, forger.generator()
        pictures, _ = _claims.started(self.start, self.committed, task, generator)
        labels = torch.randint(0, task.feed.classes, (self.committed,), generator=generator)
        matching = (labels == _claims.answers(claimed, pictures, task)).nonzero()[: self.opened, 0]
        if len(matching) < self.opened:
            raise UsageError(
                f"expected {self.opened} matches by luck among {self.committed} triggers, got {len(matching)}",
                hint="commit to more, or open fewer",
            )
        return _claims.pictures_claim(pictures[matching], labels[matching], tries=self.committed)
