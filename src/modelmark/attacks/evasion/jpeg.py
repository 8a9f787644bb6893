"""JPEG compression of everything that is asked."""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _pictures
from modelmark.interface import FULL_SCALE
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Jpeg:
    """Compress each picture and unpack it again before the stolen model sees it; marks in the weights stay as they are.

    Colour is stored as YCbCr at half resolution, as JPEG files usually are; pictures that have neither one nor three
    channels are compressed channel by channel. Pictures of any size work: the format pads to blocks of 8 or 16 pixels.

    Source: Dziugaite, Ghahramani, Roy 2016, "A study of the effect of JPG compression on adversarial images",
    arXiv 1608.00853; as an attack on marks Lukas et al. 2022, arXiv 2108.04974, whose qualities are 95, 65 and 45.

    Args:
        quality: 1 to 95, as Pillow counts.
    """

    name: ClassVar[str] = "jpeg"
    summary: ClassVar[str] = "JPEG compression of queries"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = tuple({"quality": quality} for quality in (95, 90, 65, 45, 20))

    quality: int = 65

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 95:
            raise ValueError(f"expected a quality from 1 to 95, got {self.quality}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; nothing is trained.

        Raises:
            UsageError: inputs are no pictures.
        """
        return _pictures.filtered(answer, task.interface, self.name, self._compressed)

    def _compressed(self, pictures: Tensor) -> Tensor:
        """Return pictures ``(N, C, H, W)`` after a round trip through 8-bit JPEG."""
        stored = (pictures * FULL_SCALE).round().to(torch.uint8).cpu()
        if stored.shape[1] not in (1, 3):
            count, channels, height, width = stored.shape
            each = stored.reshape(count * channels, 1, height, width)
        else:
            each = stored
        back = torch.empty_like(each)
        for index, picture in enumerate(each):
            back[index] = _round_trip(picture, self.quality)
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
