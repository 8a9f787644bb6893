"""Adversarial extraction: the student also learns what the stolen model says where the student itself is weakest."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._perturb import Adversarial
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch, fit


class AdversarialExtraction(Attack):
    """Retrain on the stolen model's labels of the thief's inputs and of adversarial examples made from them.

    Examples are crafted by projected gradient descent against the student, batch by batch: the stolen model answers and
    gives no gradients.

    Source: Lukas et al. 2022, arXiv 2108.04974 (adversarial training while extracting); descent of Madry et al. 2018,
    arXiv 1706.06083.
    Departs: Lukas et al. take 40 iterations of step 0.01 on at most 1,000 samples an epoch, and 60 epochs; here fewer and
    longer steps on a share of every batch, with the suggested recipe.

    Args:
        eps: largest change of a pixel, of full scale.
        step: length of a step, of full scale.
        iterations: steps.
        share: of each batch that is attacked.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "adversarial-extraction"
    summary: ClassVar[str] = "new weights, trained on the stolen model's labels of inputs and adversarial examples"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    eps: float = 0.1
    step: float = 0.025
    iterations: int = 7
    share: float = 0.25
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if not 0 < self.eps <= 1 or not 0 < self.step <= 1 or self.iterations < 1:
            raise ValueError(
                f"expected eps and step above 0 and at most 1, and an iteration, "
                f"got {self.eps}, {self.step} and {self.iterations}"
            )
        if not 0 < self.share <= 1:
            raise ValueError(f"expected a share above 0 and at most 1, got {self.share}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task = labelled(model, task)
        student = drawn_anew(model, seed=seed)
        return fit(
            student,
            task,
            schedule(student, task, self.epochs),
            seed=seed,
            hooks=lambda copied: Adversarial(
                lambda: copied,
                lambda x, y: logits(model, x).argmax(dim=1),
                task.interface,
                share=self.share,
                eps=self.eps,
                step=self.step,
                iterations=self.iterations,
            ),
            watch=watch,
        )
