"""No answer to queries that do not look like the thief's inputs."""

from typing import ClassVar

import torch
from torch import Tensor

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _nets, _outliers
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.suspect import ABSTAIN
from modelmark.task import Task
from modelmark.training import Watch


class Refuse(Attack):
    """Refuse inputs that a density of the thief's own finds improbable; for pictures and other inputs alike.

    Nothing about the marks needs to be known, and nothing is trained but principal components of the inputs themselves.
    Marks in the weights stay as they are. On digits every black-box mark is refused whole; larger pictures, where smooth colour
    is common, were not measured.

    Source: a detector before the stolen model as in Hitaj and Mancini 2018, arXiv 1809.00615.
    Departs: the density is probabilistic principal components of the pixels, and the answer a refusal; theirs are a
    trained network and a random class (``randomise``).

    Args:
        components: share of the variance that principal components hold.
        loss: share of the thief's held-out inputs that may be refused.
    """

    name: ClassVar[str] = "refuse"
    summary: ClassVar[str] = "no answer to out-of-distribution queries"
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
        """Return the API that refuses; it needs five samples of the thief's data at least."""
        interface = task.interface
        outside = _outliers.by_pixels(task, components=self.components, loss=self.loss, seed=seed)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            return _outliers.replaced(
                given, outside(_pictures.shown(inputs, interface)), torch.full_like(given, ABSTAIN)
            )

        return asked
