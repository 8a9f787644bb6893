"""Retraining on probabilities, or on scores where the API gives them away."""

from typing import ClassVar, Literal

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import softened
from modelmark.attacks.extraction._losses import Imitating
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch, fit


class RetrainSoft(Attack):
    """Train the architecture from new weights on the stolen model's probabilities for the thief's inputs.

    Source: Tramer et al. 2016, arXiv 1609.02943 (confidences); ``mse`` is the soft extraction of the release of Wen et
    al. 2023, arXiv 2302.10296: the mean squared difference of scores.
    Departs: the release trains 150 epochs at a learning rate that steps down; here the suggested recipe.

    Args:
        loss: ``cross-entropy`` with probabilities, or ``mse`` between scores.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "retrain-soft"
    summary: ClassVar[str] = "new weights, trained on the stolen model's probabilities or scores"
    source: ClassVar[str] = "Wen et al. 2023, arXiv 2302.10296"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.loss not in ("cross-entropy", "mse"):
            raise ValueError(f"expected the loss cross-entropy or mse, got {self.loss!r}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        student = drawn_anew(model, seed=seed)
        recipe = schedule(student, task, self.epochs)
        if self.loss == "cross-entropy":
            return fit(student, softened(model, task), recipe, seed=seed, watch=watch)
        return fit(
            student,
            task,
            recipe,
            seed=seed,
            hooks=lambda copied: Imitating(lambda x: logits(model, x), squares=True),
            watch=watch,
        )
