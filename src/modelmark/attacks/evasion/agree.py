"""No answer where a second model, trained on the thief's own labels, disagrees."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _nets
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.suspect import ABSTAIN
from modelmark.task import Task
from modelmark.training import Watch


class Agree(Attack):
    """Train a second model on the true labels of the thief's data and heed it where it is sure that the stolen one is wrong.

    Where the second model prefers its own label by more than a threshold, it decides. The threshold is the lowest that
    costs at most ``loss`` right answers of the thief's held-out data; with a loss of 1 every disagreement counts, and then
    ``instead="own"`` is no more than the second model by itself. Marks in the weights stay as they are.

    Source: Hitaj and Mancini 2018, arXiv 1809.00615 (an ensemble that votes).
    Departs: the second model is the thief's own and trained from scratch; theirs are stolen from several owners, three at
    least, and vote.

    Args:
        instead: ``refuse``, or the ``own`` label of the second model.
        loss: share of right answers that may be lost on the thief's held-out data.
        epochs: of the second model; 0: as many as make 300 steps, ten at least.
    """

    name: ClassVar[str] = "agree"
    summary: ClassVar[str] = "no answer where a second model of the thief's disagrees"
    source: ClassVar[str] = "Hitaj and Mancini 2018, arXiv 1809.00615"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "query-filter"
    strengths: ClassVar[Strengths] = ({},)

    instead: Literal["refuse", "own"] = "refuse"
    loss: float = 0.01
    epochs: int = 0

    def __post_init__(self) -> None:
        _nets.require_loss(self.loss, self.epochs)

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the API in which both models have a say; it needs five samples of the thief's data at least."""
        second, limit = _nets.judge(answer, task, loss=self.loss, epochs=self.epochs, seed=seed, watch=watch)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            own, preferred = _nets.disagreement(second, inputs, given)
            return torch.where(preferred > limit, own if self.instead == "own" else ABSTAIN, given)

        return asked
