"""Gaussian blur of everything that is asked."""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from modelmark.attacks._tools.pictures import padded
from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class GaussianFilter(PictureFilter):
    """Show the stolen model blurred pictures.

    The kernel reaches three deviations; beyond the border its pixels are repeated.

    Source: Lukas et al. 2022, arXiv 2108.04974; "Gaussian smoothing" with deviations 0.5, 0.6 and 0.7.
    """

    strengths = sweep(std=(0.5, 0.6, 0.7, 1.0, 1.5))

    std: Annotated[float, Within(0, 20, open="low"), "deviation in pixels"] = 0.6

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures blurred along one axis, then the other."""
        reach, channels = math.ceil(3 * self.std), pictures.shape[1]
        away = torch.arange(-reach, reach + 1, device=pictures.device, dtype=torch.float64)
        bell = torch.exp(-away.square() / (2 * self.std**2))
        bell = (bell / bell.sum()).to(pictures.dtype).expand(channels, 1, 1, -1)
        wide = padded(pictures, 2 * reach + 1)
        return conv2d(conv2d(wide, bell, groups=channels), bell.transpose(2, 3), groups=channels)
