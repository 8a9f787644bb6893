"""Retraining on noisy queries: the stolen model never sees the thief's inputs as they are."""

from typing import ClassVar, Literal

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._losses import Imitating
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch, fit


class RetrainNoisy(Attack):
    """Train from new weights on the stolen model's answers to the thief's inputs with new noise in every batch.

    Asks one query a sample and epoch. Source: the noisy extraction in the release of Wen et al. 2023, arXiv 2302.10296:
    inputs + 0.1 N(0, 1) after preprocessing, mean squared difference of scores.
    Departs: the release trains 150 epochs at a learning rate that steps down; here the suggested recipe.

    Args:
        noise: standard deviation, in the units of preprocessed inputs.
        loss: ``mse`` between scores, or ``cross-entropy`` with probabilities.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "retrain-noisy"
    summary: ClassVar[str] = "new weights, trained on the stolen model's answers to noisy queries"
    source: ClassVar[str] = "Wen et al. 2023, arXiv 2302.10296"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    noise: float = 0.1
    loss: Literal["mse", "cross-entropy"] = "mse"
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if not 0 < self.noise < float("inf"):
            raise ValueError(f"expected noise above 0, got {self.noise}")
        if self.loss not in ("cross-entropy", "mse"):
            raise ValueError(f"expected the loss cross-entropy or mse, got {self.loss!r}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        student = drawn_anew(model, seed=seed)
        return fit(
            student,
            task,
            schedule(student, task, self.epochs),
            seed=seed,
            hooks=lambda copied: Imitating(lambda x: logits(model, x), noise=self.noise, squares=self.loss == "mse"),
            watch=watch,
        )
