"""A random answer to queries that do not look like the thief's inputs."""

from typing import ClassVar

from torch import Tensor

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _content, _nets, _outliers
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.task import Task
from modelmark.training import Watch


class Randomise(Attack):
    """Give a random class to inputs that a density of the thief's own finds improbable, always the same to the same input.

    An owner sees answers like those of any other model, where ``refuse`` gives itself away. Marks in the weights stay as
    they are.

    Source: Hitaj and Mancini 2018, arXiv 1809.00615 (a detector, and a random class where it fires).
    Departs: the detector is the density of ``refuse``; theirs is a trained network.

    Args:
        components: share of the variance that principal components hold.
        loss: share of the thief's held-out inputs that may be answered at random.
    """

    name: ClassVar[str] = "randomise"
    summary: ClassVar[str] = "random but repeatable answers to out-of-distribution queries"
    source: ClassVar[str] = "Hitaj and Mancini 2018, arXiv 1809.00615"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "query-filter"
    strengths: ClassVar[Strengths] = tuple({"loss": loss} for loss in (0.0, 0.01, 0.02, 0.05, 0.1))

    components: float = 0.9
    loss: float = 0.01

    def __post_init__(self) -> None:
        _nets.require_loss(self.loss)
        if not 0 < self.components <= 1:
            raise ValueError(f"expected a share of components above 0, at most 1, got {self.components}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the API that answers at random outside; it needs five samples of the thief's data at least."""
        interface = task.interface
        outside = _outliers.by_pixels(task, components=self.components, loss=self.loss, seed=seed)

        def asked(inputs: Tensor) -> Tensor:
            pictures = _pictures.shown(inputs, interface)
            drawn = _content.labels(_content.fingerprints(pictures, seed), interface.classes)
            return _outliers.replaced(answer(inputs), outside(pictures), drawn)

        return asked
