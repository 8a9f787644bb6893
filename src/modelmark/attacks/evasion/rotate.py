"""Everything that is asked, turned a little."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Rotate:
    """Show the stolen model each picture turned about its middle; marks in the weights stay as they are.

    Pixels between pixels are interpolated in both directions; beyond the border its pixels are repeated.

    Source: Wen et al. 2023, arXiv 2302.10296, whose release turns queries by 10 to 90 degrees.

    Args:
        degrees: anticlockwise, up to 180 either way.
    """

    name: ClassVar[str] = "rotate"
    summary: ClassVar[str] = "queries turned by a small angle"
    source: ClassVar[str] = "Wen et al. 2023, arXiv 2302.10296"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.8
    strengths: ClassVar[Strengths] = tuple({"degrees": degrees} for degrees in (2.0, 5.0, 10.0, 15.0, 20.0))

    degrees: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < abs(self.degrees) <= 180:
            raise ValueError(f"expected an angle up to 180 degrees either way, not 0, got {self.degrees}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._turned)

    def _turned(self, pictures: Tensor) -> Tensor:
        angle, (height, width) = math.radians(self.degrees), pictures.shape[2:]
        cos, sin = math.cos(angle), math.sin(angle)
        # affine_grid measures either side as 2, so that a turn needs the sides' ratio where they differ
        turn = torch.tensor([[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]]).to(pictures)
        grid = affine_grid(turn.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
        return grid_sample(pictures, grid, padding_mode="border", align_corners=False)
