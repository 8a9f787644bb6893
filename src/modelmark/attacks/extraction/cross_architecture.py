"""Retraining into another architecture: no layer of the stolen model has a place in the new one."""

from typing import Annotated

from torch import nn

from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, taught
from modelmark.errors import UsageError
from modelmark.models import ARCHITECTURES, build
from modelmark.seeding import own_seed


class CrossArchitecture(Extraction, family="retraining"):
    """Another architecture, trained on the stolen model's labels.

    Source: Lukas et al. 2022, arXiv 2108.04974; they retrain a wide residual network into a DenseNet.
    Departs: DenseNet is not among modelmark's architectures; any that is can be named.
    """

    arch: Annotated[str, "name of the student's architecture"] = "resnet8"
    epochs: Passes = 0

    def check(self) -> None:
        """Raise ValueError at an unknown architecture."""
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"expected arch to be one of {', '.join(ARCHITECTURES)}, got {self.arch!r}")

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student, a network of ``arch``.

        Raises:
            UsageError: the stolen model is of that architecture already.
            MismatchError: the architecture does not take such inputs.
        """
        feed = thief.task.feed
        student = build(self.arch, feed.input_shape, feed.classes, seed=own_seed(thief.seed))
        if type(student) is type(stolen) and _shapes(student) == _shapes(stolen):
            raise UsageError(
                f"expected another architecture than the stolen model's, got {self.arch!r} for both", hint="set arch"
            )
        student = student.to(next(stolen.parameters()).device)
        return taught(student, thief, task=labelled(stolen, thief.task), epochs=self.epochs)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
