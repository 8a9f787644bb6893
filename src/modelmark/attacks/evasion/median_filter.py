"""Every pixel the median of its neighbourhood."""

from typing import Annotated

from torch import Tensor

from modelmark.attacks._tools.pictures import padded
from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class MedianFilter(PictureFilter):
    """Show the stolen model pictures whose pixels are medians over a square.

    Beyond the border its pixels are repeated; an even square reaches one pixel further down and right, and the median of
    its even number of pixels is the lower of the middle two.

    Source: Xu et al. 2018, arXiv 1704.01155; "Feature squeezing", NDSS, section II-C. As an attack on marks: Lukas et al.
    2022, arXiv 2108.04974, kernel 3.
    Departs: the model is not fine-tuned to smoothed pictures, as Lukas et al. do; it is only asked.
    """

    strengths = sweep(kernel=(2, 3, 5))

    kernel: Annotated[int, Within(2, 15), "side of the square in pixels"] = 3

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures smoothed."""
        wide = padded(pictures, self.kernel)
        squares = wide.unfold(2, self.kernel, 1).unfold(3, self.kernel, 1)  # (N, C, H, W, kernel, kernel)
        return squares.flatten(4).median(dim=4).values
