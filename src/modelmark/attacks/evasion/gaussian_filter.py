"""Gaussian blur of everything that is asked."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class GaussianFilter:
    """Show the stolen model blurred pictures; marks in the weights stay as they are.

    The kernel reaches three deviations; beyond the border its pixels are repeated.

    Source: Lukas et al. 2022, arXiv 2108.04974, "Gaussian smoothing" with deviations 0.5, 0.6 and 0.7.

    Args:
        std: deviation in pixels.
    """

    name: ClassVar[str] = "gaussian-filter"
    summary: ClassVar[str] = "Gaussian blur of queries"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"std": std} for std in (0.5, 0.6, 0.7, 1.0, 1.5))

    std: float = 0.6

    def __post_init__(self) -> None:
        if not 0 < self.std <= 20:
            raise ValueError(f"expected a deviation above 0 and at most 20 pixels, got {self.std}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._blurred)

    def _blurred(self, pictures: Tensor) -> Tensor:
        reach, channels = math.ceil(3 * self.std), pictures.shape[1]
        away = torch.arange(-reach, reach + 1, device=pictures.device, dtype=torch.float64)
        bell = torch.exp(-away.square() / (2 * self.std**2))
        bell = (bell / bell.sum()).to(pictures.dtype).expand(channels, 1, 1, -1)
        wide = _pictures.padded(pictures, 2 * reach + 1)
        return conv2d(conv2d(wide, bell, groups=channels), bell.transpose(2, 3), groups=channels)
