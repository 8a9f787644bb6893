"""Every pixel the mean of its neighbourhood."""

from typing import Annotated

from torch import Tensor
from torch.nn.functional import avg_pool2d

from modelmark.attacks._tools.pictures import padded
from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class MeanFilter(PictureFilter):
    """Show the stolen model pictures whose pixels are means over a square.

    Beyond the border its pixels are repeated; an even square reaches one pixel further down and right.

    Source: Lukas et al. 2022, arXiv 2108.04974; "mean smoothing", kernel 3.
    Departs: the model is not fine-tuned to smoothed pictures; it is only asked.
    """

    strengths = sweep(kernel=(2, 3, 5))

    kernel: Annotated[int, Within(2, 63), "side of the square in pixels"] = 3

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures smoothed."""
        return avg_pool2d(padded(pictures, self.kernel), self.kernel, stride=1)
