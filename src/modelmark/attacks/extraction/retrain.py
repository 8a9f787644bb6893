"""Retraining on labels: a new network of the same architecture learns what the stolen one answers."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch, fit


class Retrain(Attack):
    """Train the architecture from new weights on the stolen model's labels of the thief's inputs.

    Source: Tramer et al. 2016, arXiv 1609.02943; as an attack on marks in Lukas et al. 2022, arXiv 2108.04974.
    Departs: Lukas et al. train 60 epochs at a learning rate that steps down; here the suggested recipe.

    Args:
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "retrain"
    summary: ClassVar[str] = "new weights, trained on the stolen model's labels"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task = labelled(model, task)
        student = drawn_anew(model, seed=seed)
        return fit(student, task, schedule(student, task, self.epochs), seed=seed, watch=watch)
