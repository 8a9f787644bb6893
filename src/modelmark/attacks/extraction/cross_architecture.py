"""Retraining into another architecture: no layer of the stolen model has a place in the new one."""

from typing import ClassVar

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.errors import UsageError
from modelmark.models import ARCHITECTURES, build
from modelmark.seeding import own_seed
from modelmark.task import Task
from modelmark.training import Watch, fit


class CrossArchitecture(Attack):
    """Train a network of another architecture on the stolen model's labels of the thief's inputs.

    Source: Lukas et al. 2022, arXiv 2108.04974, who retrain a wide residual network into a DenseNet.
    Departs: DenseNet is not among modelmark's architectures; any that is can be named.

    Args:
        arch: name of the student's architecture.
        epochs: passes over the thief's inputs; 0: as suggested for their number.
    """

    name: ClassVar[str] = "cross-architecture"
    summary: ClassVar[str] = "another architecture, trained on the stolen model's labels"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "retraining"
    strengths: ClassVar[Strengths] = ({},)

    arch: str = "resnet8"
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"expected an architecture of {', '.join(ARCHITECTURES)}, got {self.arch!r}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student, a network of ``arch``.

        Raises:
            UsageError: the stolen model is of that architecture already.
            MismatchError: the architecture does not take such inputs.
        """
        student = build(self.arch, task.interface.input_shape, task.interface.classes, seed=own_seed(seed))
        if type(student) is type(model) and _shapes(student) == _shapes(model):
            raise UsageError(
                f"expected another architecture than the stolen model's, got {self.arch!r} for both", hint="set arch"
            )
        student = student.to(next(model.parameters()).device)
        task = labelled(model, task)
        return fit(student, task, schedule(student, task, self.epochs), seed=seed, watch=watch)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
