"""Everything that is asked, made smaller and enlarged again."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import interpolate

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Shrink:
    """Show the stolen model each picture after its fine detail is gone; marks in the weights stay as they are.

    Source: rescaling as in Guo et al. 2018, "Countering adversarial images using input transformations", ICLR,
    arXiv 1711.00117.
    Departs: they average over random crops that are rescaled; here whole pictures are, both ways bilinearly, without aliasing.

    Args:
        factor: of each side, below 1; a side keeps at least one pixel.
    """

    name: ClassVar[str] = "shrink"
    summary: ClassVar[str] = "queries made smaller and enlarged again"
    source: ClassVar[str] = "Guo et al. 2018, arXiv 1711.00117"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.8
    strengths: ClassVar[Strengths] = tuple({"factor": factor} for factor in (0.9, 0.75, 0.6, 0.5, 0.4))

    factor: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1:
            raise ValueError(f"expected a factor between 0 and 1, got {self.factor}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._rescaled)

    def _rescaled(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[2:]
        small = max(1, round(height * self.factor)), max(1, round(width * self.factor))
        return _sized(_sized(pictures, small), (height, width))


def _sized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(pictures, size, mode="bilinear", antialias=True)
