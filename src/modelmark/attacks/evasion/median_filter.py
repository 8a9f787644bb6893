"""Every pixel the median of its neighbourhood."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class MedianFilter:
    """Show the stolen model pictures whose pixels are medians over a square; marks in the weights stay as they are.

    Beyond the border its pixels are repeated; an even square reaches one pixel further down and right, and the median of
    its even number of pixels is the lower of the middle two.

    Source: Xu, Evans, Qi 2018, "Feature squeezing", NDSS, arXiv 1704.01155, section II-C; as an attack on marks Lukas et
    al. 2022, arXiv 2108.04974, kernel 3, followed there by fine-tuning of the model.
    Departs: the model is not fine-tuned to smoothed pictures; it is only asked.

    Args:
        kernel: side of the square in pixels, from 2.
    """

    name: ClassVar[str] = "median-filter"
    summary: ClassVar[str] = "median over a square in queries"
    source: ClassVar[str] = "Xu et al. 2018, arXiv 1704.01155"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.6
    strengths: ClassVar[Strengths] = tuple({"kernel": kernel} for kernel in (2, 3, 5))

    kernel: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.kernel <= 15:
            raise ValueError(f"expected a kernel of 2 to 15 pixels, got {self.kernel}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._smoothed)

    def _smoothed(self, pictures: Tensor) -> Tensor:
        wide = _pictures.padded(pictures, self.kernel)
        squares = wide.unfold(2, self.kernel, 1).unfold(3, self.kernel, 1)  # (N, C, H, W, kernel, kernel)
        return squares.flatten(4).median(dim=4).values
