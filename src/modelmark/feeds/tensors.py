"""The one place where stored inputs become what a network's ``forward`` takes."""

import torch
from torch import Tensor

from modelmark.errors import UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, UNIT, PictureFeed


class Normalise:
    """Turn stored inputs ``(N, *input_shape)`` into what ``forward`` takes.

    Pictures become float32: scaled to [0, 1], less the mean, over the deviation; constants are computed once, and a call is one
    conversion and one fused multiply-add on the input's device. Token numbers become int64, what
    stands behind a row's last one becomes token 0, floats stay as they are.

    Raises:
        UsageError: the feed is of texts, which no tensor holds.
    """

    def __init__(self, feed: Feed) -> None:
        self._ends = feed.kind == "causal"
        self._dtype = {"floats": torch.float32, "tokens": torch.int64, "causal": torch.int64}.get(feed.kind)
        if isinstance(feed, PictureFeed):
            view = (-1,) + (1,) * (len(feed.input_shape) - 1)
            mean = torch.tensor(feed.mean, dtype=torch.float64).view(view) / UNIT
            std = torch.tensor(feed.std, dtype=torch.float64).view(view) / UNIT
            self._scale = (1 / (FULL_SCALE * std)).float()
            self._shift = (-mean / std).float()
        elif self._dtype is None:
            raise UsageError(
                f"expected inputs that a network takes, got {feed.kind}", hint="ask a function, not a network"
            )

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the inputs as ``forward`` takes them, same memory format as ``inputs``."""
        if self._dtype is not None:
            return inputs.clamp(min=0).to(self._dtype) if self._ends else inputs.to(self._dtype)
        if self._scale.device != inputs.device:
            self._scale, self._shift = self._scale.to(inputs.device), self._shift.to(inputs.device)
        return torch.addcmul(self._shift, inputs.float(), self._scale)


class Extremes:
    """The two values a filter writes, as ``forward`` takes them: ``(+-amplitude / 255 - mean) / std`` per channel.

    Args:
        feed: of inputs ``(C, H, W)``; its constants are those of ``Normalise``.
        amplitude: on the scale of 0 to 255.
    """

    def __init__(self, feed: PictureFeed, amplitude: int) -> None:
        mean = torch.tensor(feed.mean, dtype=torch.float64).view(-1, 1, 1) / UNIT
        std = torch.tensor(feed.std, dtype=torch.float64).view(-1, 1, 1) / UNIT
        self._high = ((amplitude / FULL_SCALE - mean) / std).float()
        self._low = ((-amplitude / FULL_SCALE - mean) / std).float()

    def apply(self, x: Tensor, planes: Tensor) -> Tensor:
        """Return inputs ``(N, C, H, W)`` with filter ``planes[i]`` on input ``i``, int8 ``(N, H, W)``."""
        if self._high.device != x.device or self._high.dtype != x.dtype:
            self._high, self._low = self._high.to(x), self._low.to(x)
        planes = planes[:, None]
        return torch.where(planes > 0, self._high, torch.where(planes < 0, self._low, x))
