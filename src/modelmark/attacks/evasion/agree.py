"""No answer where a second model, trained on the thief's own labels, disagrees."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _nets
from modelmark.attacks.results import Answer
from modelmark.suspects.base import ABSTAIN


class Agree(Evasion, feeds=NUMBERS):
    """Refuse where a second model, trained on the thief's own labels, is sure that the stolen one is wrong.

    Where the second model prefers its own label by more than a threshold, it decides. The threshold is the lowest that
    costs at most ``loss`` right answers of the thief's held-out data; with a loss of 1 every disagreement counts, and then
    ``instead="own"`` is no more than the second model by itself. Five samples of data are needed at least.

    Source: Hitaj and Mancini 2018, arXiv 1809.00615; an ensemble that votes.
    Departs: the second model is the thief's own and trained from scratch; theirs are stolen from several owners, three at
    least, and vote.
    """

    instead: Annotated[Literal["refuse", "own"], "no answer, or the second model's"] = "refuse"
    loss: _nets.Loss = 0.01
    epochs: _nets.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API in which both models have a say."""
        second, limit = _nets.judge(answer, thief, loss=self.loss, epochs=self.epochs)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            own, preferred = _nets.disagreement(second, inputs, given)
            return torch.where(preferred > limit, own if self.instead == "own" else ABSTAIN, given)

        return asked
