"""Everything that is asked, mirrored."""

from torch import Tensor

from modelmark.attacks.base import PictureFilter


class Mirror(PictureFilter):
    """Show the stolen model each picture with left and right exchanged.

    For models trained on mirrored pictures, such as most of natural ones; a model of digits or letters is of no use after it.

    Source: Lukas et al. 2022, arXiv 2108.04974; "horizontal flip".
    """

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures mirrored."""
        return pictures.flip(-1)
