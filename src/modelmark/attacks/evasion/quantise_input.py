"""Few levels a pixel, each the middle of its interval."""

from typing import Annotated

from torch import Tensor

from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class QuantiseInput(PictureFilter):
    """Cut the range of a pixel into equal intervals and show the stolen model their middles.

    Unlike ``squeeze``, which keeps black and white as they are and knows powers of two only.

    Source: Lukas et al. 2022, arXiv 2108.04974; "input quantisation", with 16, 12 and 10 levels.
    Departs: that levels are the middles of equal intervals is our reading; the paper names their number.
    """

    strengths = sweep(levels=(16, 12, 10, 4, 2))

    levels: Annotated[int, Within(2, 256), "values a pixel can have"] = 10

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures on the middles."""
        return ((pictures * self.levels).floor().clamp(max=self.levels - 1) + 0.5) / self.levels
