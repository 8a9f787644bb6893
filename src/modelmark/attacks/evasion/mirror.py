"""Everything that is asked, mirrored."""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Mirror:
    """Show the stolen model each picture with left and right exchanged; marks in the weights stay as they are.

    For models trained on mirrored pictures, such as most of natural ones; a model of digits or letters is of no use after it.

    Source: Lukas et al. 2022, arXiv 2108.04974, "horizontal flip".
    """

    name: ClassVar[str] = "mirror"
    summary: ClassVar[str] = "queries mirrored"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.2
    strengths: ClassVar[Strengths] = ({},)

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, lambda x: x.flip(-1))
