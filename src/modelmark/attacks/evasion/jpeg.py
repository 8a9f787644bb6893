"""JPEG compression of everything that is asked."""

import io
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from modelmark.attacks.base import PictureFilter
from modelmark.attacks.fields import Within, sweep
from modelmark.feeds.pictures import FULL_SCALE


class Jpeg(PictureFilter):
    """Compress each picture as JPEG and unpack it again before the stolen model sees it.

    Colour is stored as YCbCr at half resolution, as JPEG files usually are; pictures that have neither one nor three
    channels are compressed channel by channel. Pictures of any size work: the format pads to blocks of 8 or 16 pixels.

    Source: Lukas et al. 2022, arXiv 2108.04974; there with qualities 95, 65 and 45. Against adversarial pictures: Dziugaite,
    Ghahramani, Roy 2016, arXiv 1608.00853.
    """

    strengths = sweep(quality=(95, 90, 65, 45, 20))

    quality: Annotated[int, Within(1, 95), "as Pillow counts"] = 65

    def change(self, pictures: Tensor) -> Tensor:
        """Return the pictures after a round trip through 8-bit JPEG."""
        stored = (pictures * FULL_SCALE).round().to(torch.uint8).cpu()
        each = stored if stored.shape[1] in (1, 3) else stored.flatten(0, 1)[:, None]
        back = torch.stack([_round_trip(picture, self.quality) for picture in each])
        return back.view(stored.shape).to(pictures) / FULL_SCALE


def _round_trip(picture: Tensor, quality: int) -> Tensor:
    """Return one picture, uint8 ``(1 or 3, H, W)``, compressed and unpacked."""
    from PIL import Image

    gray = picture.shape[0] == 1
    pixels = picture[0].numpy() if gray else picture.permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=-1 if gray else 2)
    unpacked = torch.from_numpy(np.array(Image.open(file)))
    return unpacked[None] if gray else unpacked.permute(2, 0, 1)
