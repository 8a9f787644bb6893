"""Everything that is asked, made smaller and enlarged again."""

from typing import Annotated

from torch import Tensor
from torch.nn.functional import interpolate

from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class Shrink(PictureFilter):
    """Show the stolen model each picture made smaller and enlarged again, without its fine detail.

    Source: Guo et al. 2018, arXiv 1711.00117; "Countering adversarial images using input transformations", ICLR.
    Departs: they average over random crops that are rescaled; here whole pictures are, both ways bilinearly, without aliasing.
    """

    strengths = sweep(factor=(0.9, 0.75, 0.6, 0.5, 0.4))

    factor: Annotated[float, Within(0, 1, open="both"), "of each side, which keeps at least one pixel"] = 0.75

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures without their fine detail."""
        height, width = pictures.shape[2:]
        small = max(1, round(height * self.factor)), max(1, round(width * self.factor))
        return _sized(_sized(pictures, small), (height, width))


def _sized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(pictures, size, mode="bilinear", antialias=True)
