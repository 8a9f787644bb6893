"""The one place where stored images become what a network's ``forward`` takes."""

import torch
from torch import Tensor

from modelmark.interface import FULL_SCALE, UNIT, Interface


class Normalise:
    """Turn uint8 inputs ``(N, *input_shape)`` into float32: scaled to [0, 1], less the mean, over the deviation.

    Constants are computed once; a call is one conversion and one fused multiply-add on the input's device.
    """

    def __init__(self, interface: Interface) -> None:
        view = (-1,) + (1,) * (len(interface.input_shape) - 1)
        mean = torch.tensor(interface.mean, dtype=torch.float64).view(view) / UNIT
        std = torch.tensor(interface.std, dtype=torch.float64).view(view) / UNIT
        self._scale = (1 / (FULL_SCALE * std)).float()
        self._shift = (-mean / std).float()

    def __call__(self, images: Tensor) -> Tensor:
        """Return the normalised images, same memory format as ``images``."""
        if self._scale.device != images.device:
            self._scale, self._shift = self._scale.to(images.device), self._shift.to(images.device)
        return torch.addcmul(self._shift, images.float(), self._scale)
