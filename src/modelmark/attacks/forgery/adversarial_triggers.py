"""Ambiguity for black-box marks: pictures made on the stolen model, after the fact, to give labels of one's choice."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks._tools.targeted import Epsilon, targeted
from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged


class AdversarialTriggers(Forgery, feeds=NUMBERS):
    """Optimise pictures until the stolen model gives them chosen labels: triggers without any embedding.

    Source: Madry et al. 2018, arXiv 1706.06083; their targeted projected gradient descent, for the ambiguity that Adi et al.
    2018 leave open (their "non-trivial ownership" game does not cover it).
    """

    forges = ("adi",)

    start: Annotated[_claims.Start, "or the thief's own pictures, which get labels other than their own"] = "noise"
    triggers: _claims.Triggers = 100
    epsilon: Epsilon = 96.0
    steps: Annotated[Count, "of gradient descent"] = 40

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim; nothing is trained."""
        generator, feed = forger.generator(), forger.task.feed
        pictures, own = _claims.started(self.start, self.triggers, forger.task, generator)
        labels = _claims.other_labels(own, feed.classes, generator)
        made = targeted([claimed], pictures, labels, Extent.of(forger.task), epsilon=self.epsilon, steps=self.steps)
        return _claims.pictures_claim(made, labels, tries=self.triggers)
