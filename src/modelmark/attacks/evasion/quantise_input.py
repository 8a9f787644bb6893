"""Few levels a pixel, each the middle of its interval."""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class QuantiseInput:
    """Cut the range of a pixel into equal intervals and show the stolen model the middle of the one a pixel lies in.

    Unlike ``squeeze``, which keeps black and white as they are and knows powers of two only. Marks in the weights stay as
    they are.

    Source: Lukas et al. 2022, arXiv 2108.04974, "input quantisation", with 16, 12 and 10 levels.
    Departs: that levels are the middles of equal intervals is our reading; the paper names their number.

    Args:
        levels: 2 to 256.
    """

    name: ClassVar[str] = "quantise-input"
    summary: ClassVar[str] = "few levels a pixel in queries"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"levels": levels} for levels in (16, 12, 10, 4, 2))

    levels: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 256:
            raise ValueError(f"expected 2 to 256 levels, got {self.levels}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        levels, top = self.levels, self.levels - 1
        return _pictures.filtered(
            answer, task.interface, self.name, lambda x: ((x * levels).floor().clamp(max=top) + 0.5) / levels
        )
