"""No answer to queries that do not look like the thief's inputs."""

from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _nets, _outliers
from modelmark.attacks.fields import sweep
from modelmark.attacks.results import Answer
from modelmark.suspects.base import ABSTAIN


class Refuse(Evasion, feeds=NUMBERS):
    """Refuse inputs that a density of the thief's finds improbable, pictures and other inputs alike.

    Nothing about the marks needs to be known, and nothing is trained but principal components of the inputs themselves. On
    digits every black-box mark is refused whole; larger pictures, where smooth colour is common, were not measured. Five samples
    of data are needed at least.

    Source: Hitaj and Mancini 2018, arXiv 1809.00615; a detector before the stolen model.
    Departs: the density is probabilistic principal components of the numbers, and the answer a refusal; theirs are a
    trained network and a random class (``randomise``).
    """

    strengths = sweep(loss=(0.0, 0.01, 0.02, 0.05, 0.1))

    components: _outliers.Components = 0.9
    loss: Annotated[_nets.Loss, "share of the thief's held-out inputs that may be refused"] = 0.01

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that refuses."""
        outside = _outliers.by_numbers(thief.task, components=self.components, loss=self.loss, seed=thief.seed)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            return _outliers.replaced(given, outside(inputs), torch.full_like(given, ABSTAIN))

        return asked
