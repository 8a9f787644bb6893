"""Every pixel the mean of its neighbourhood."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import avg_pool2d

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class MeanFilter:
    """Show the stolen model pictures whose pixels are means over a square; marks in the weights stay as they are.

    Beyond the border its pixels are repeated; an even square reaches one pixel further down and right.

    Source: Lukas et al. 2022, arXiv 2108.04974, "mean smoothing", kernel 3, followed there by fine-tuning of the model.
    Departs: the model is not fine-tuned to smoothed pictures; it is only asked.

    Args:
        kernel: side of the square in pixels, from 2.
    """

    name: ClassVar[str] = "mean-filter"
    summary: ClassVar[str] = "mean over a square in queries"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.6
    strengths: ClassVar[Strengths] = tuple({"kernel": kernel} for kernel in (2, 3, 5))

    kernel: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.kernel <= 63:
            raise ValueError(f"expected a kernel of 2 to 63 pixels, got {self.kernel}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._smoothed)

    def _smoothed(self, pictures: Tensor) -> Tensor:
        return avg_pool2d(_pictures.padded(pictures, self.kernel), self.kernel, stride=1)
