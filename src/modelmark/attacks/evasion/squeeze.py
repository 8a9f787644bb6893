"""Feature squeezing: fewer bits a pixel."""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Squeeze:
    """Round each pixel to so many bits before the stolen model sees it; marks in the weights stay as they are.

    With 8 bits, pictures that came from 8-bit files are left as they were, and only what lies outside a picture's range
    is clamped to it.

    Source: Xu, Evans, Qi 2018, "Feature squeezing", NDSS, arXiv 1704.01155, section II-B; as an attack on marks Lukas et
    al. 2022, arXiv 2108.04974, with 4 bits.

    Args:
        bits: 1 to 8.
    """

    name: ClassVar[str] = "squeeze"
    summary: ClassVar[str] = "fewer bits a pixel in queries"
    source: ClassVar[str] = "Xu et al. 2018, arXiv 1704.01155"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"bits": bits} for bits in (8, 4, 3, 2, 1))

    bits: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"expected 1 to 8 bits, got {self.bits}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        steps = 2**self.bits - 1
        return _pictures.filtered(answer, task.interface, self.name, lambda x: (x * steps).round() / steps)
