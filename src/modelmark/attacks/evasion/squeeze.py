"""Feature squeezing: fewer bits a pixel."""

from typing import Annotated

from torch import Tensor

from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep


class Squeeze(PictureFilter):
    """Round each pixel to a few bits before the stolen model sees it.

    With 8 bits, pictures that came from 8-bit files are left as they were, and only what lies outside a picture's range
    is clamped to it.

    Source: Xu et al. 2018, arXiv 1704.01155; "Feature squeezing", NDSS, section II-B. As an attack on marks: Lukas et al.
    2022, arXiv 2108.04974, with 4 bits.
    """

    strengths = sweep(bits=(8, 4, 3, 2, 1))

    bits: Annotated[int, Within(1, 8), "a pixel"] = 4

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures rounded."""
        steps = 2**self.bits - 1
        return (pictures * steps).round() / steps
