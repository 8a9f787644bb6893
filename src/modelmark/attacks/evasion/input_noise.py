"""Noise on everything that is asked, the same noise on the same query."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _content, _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class InputNoise:
    """Add Gaussian noise to each picture before the stolen model sees it; marks in the weights stay as they are.

    The noise follows from the seed and the picture: asking twice gives one answer, in whatever batch.

    Source: Zantedeschi, Nicolae, Rawat 2017, "Efficient defenses against adversarial attacks", arXiv 1707.06728; as an
    attack on marks Lukas et al. 2022, arXiv 2108.04974, with deviations 0.01, 0.03, 0.05 and 0.1.

    Args:
        std: deviation, as a share of a pixel's full scale.
    """

    name: ClassVar[str] = "input-noise"
    summary: ClassVar[str] = "Gaussian noise on queries, fixed by their content"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"std": std} for std in (0.01, 0.03, 0.05, 0.1, 0.2))

    std: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.std <= 10:
            raise ValueError(f"expected a deviation above 0 and at most 10, got {self.std}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """

        def noisy(pictures: Tensor) -> Tensor:
            prints = _content.fingerprints(pictures, seed)
            return pictures + self.std * _content.normal(prints, pictures[0].numel()).view_as(pictures)

        return _pictures.filtered(answer, task.interface, self.name, noisy)
