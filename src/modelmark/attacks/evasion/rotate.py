"""Everything that is asked, turned a little."""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class Rotate(PictureFilter):
    """Show the stolen model each picture turned about its middle.

    Pixels between pixels are interpolated in both directions; beyond the border its pixels are repeated.

    Source: Wen et al. 2023, arXiv 2302.10296; their release turns queries by 10 to 90 degrees.
    """

    strengths = sweep(degrees=(2.0, 5.0, 10.0, 15.0, 20.0))

    degrees: Annotated[float, Within(-180, 180), "anticlockwise"] = 10.0

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures turned."""
        angle, (height, width) = math.radians(self.degrees), pictures.shape[2:]
        cos, sin = math.cos(angle), math.sin(angle)
        # affine_grid measures either side as 2, so that a turn needs the sides' ratio where they differ
        turn = torch.tensor([[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]]).to(pictures)
        grid = affine_grid(turn.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
        return grid_sample(pictures, grid, padding_mode="border", align_corners=False)
