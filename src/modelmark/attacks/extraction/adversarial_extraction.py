"""Adversarial extraction: the student also learns what the stolen model says where the student itself is weakest."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks._tools.perturb import Adversarial
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Count, Part
from modelmark.suspects.module import logits


class AdversarialExtraction(Extraction, family="retraining", feeds=NUMBERS):
    """New weights, trained on the stolen model's labels of inputs and adversarial examples.

    Examples are crafted by projected gradient descent against the student, batch by batch: the stolen model answers and
    gives no gradients.

    Source: Lukas et al. 2022, arXiv 2108.04974; adversarial training while extracting. Descent of Madry et al. 2018,
    arXiv 1706.06083.
    Departs: Lukas et al. take 40 iterations of step 0.01 on at most 1,000 samples an epoch, and 60 epochs; here fewer and
    longer steps on a share of every batch, with the suggested recipe.
    """

    eps: Annotated[Part, "largest change of a number, of full scale"] = 0.1
    step: Annotated[Part, "length of a step, of full scale"] = 0.025
    iterations: Annotated[Count, "steps"] = 7
    share: Annotated[Part, "of each batch that is attacked"] = 0.25
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task, extent = labelled(stolen, thief.task), Extent.of(thief.task)

        def hooks(copied: nn.Module) -> Adversarial:
            return Adversarial(
                copied, lambda x, y: logits(stolen, x).argmax(dim=1), extent,
                share=self.share, eps=self.eps, step=self.step, iterations=self.iterations,
            )  # fmt: skip

        return retrained(stolen, thief, task=task, epochs=self.epochs, hooks=hooks)
