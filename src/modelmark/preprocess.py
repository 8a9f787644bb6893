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


class Extremes:
    """The two values a filter writes, as ``forward`` takes them: ``(+-amplitude / 255 - mean) / std`` per channel.

    Args:
        interface: of inputs ``(C, H, W)``; its constants are those of ``Normalise``.
        amplitude: on the scale of 0 to 255.
    """

    def __init__(self, interface: Interface, amplitude: int) -> None:
        mean = torch.tensor(interface.mean, dtype=torch.float64).view(-1, 1, 1) / UNIT
        std = torch.tensor(interface.std, dtype=torch.float64).view(-1, 1, 1) / UNIT
        self._high = ((amplitude / FULL_SCALE - mean) / std).float()
        self._low = ((-amplitude / FULL_SCALE - mean) / std).float()

    def apply(self, x: Tensor, planes: Tensor) -> Tensor:
        """Return inputs ``(N, C, H, W)`` with filter ``planes[i]`` on input ``i``, int8 ``(N, H, W)``."""
        if self._high.device != x.device or self._high.dtype != x.dtype:
            self._high, self._low = self._high.to(x), self._low.to(x)
        planes = planes[:, None]
        return torch.where(planes > 0, self._high, torch.where(planes < 0, self._low, x))
