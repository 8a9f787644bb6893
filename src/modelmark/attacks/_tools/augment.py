"""What is done to pictures while a network trains on them, as hooks of the only loop; chance comes from what ``fit`` forks."""

import torch
from torch import Tensor
from torch.distributions import Beta
from torch.nn.functional import one_hot

from modelmark.training.hooks import Hooks, Samples


class Holes(Hooks):
    """Puts a square hole of the picture's mean into every picture of a batch.

    Args:
        side: of the square, as a share of the shorter side of the picture; at least one pixel.
    """

    def __init__(self, side: float) -> None:
        super().__init__()
        self._side = side

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch with one hole in each picture."""
        height, width = x.shape[-2:]
        size = max(round(self._side * min(height, width)), 1)
        top, left = torch.rand(2, len(x), 1, device=x.device)
        hole = _span(top, height, size)[:, None, :, None] & _span(left, width, size)[:, None, None, :]
        return torch.where(hole, x.mean(dim=(2, 3), keepdim=True), x), y


def _span(start: Tensor, length: int, size: int) -> Tensor:
    """Return which of ``length`` pixels are in spans of ``size`` that begin at ``start`` in [0, 1), bool ``(N, length)``."""
    first, at = (start * (length - size + 1)).long(), torch.arange(length, device=start.device)
    return (at >= first) & (at < first + size)


class Shifts(Hooks):
    """Moves every picture of a batch by whole pixels, up to a share of each side; what comes in repeats the border."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch moved."""
        most = [round(self._share * side) for side in x.shape[-2:]]
        down, right = (torch.randint(-far, far + 1, (len(x),), device=x.device) for far in most)
        return moved(x, down, right), y


def moved(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return pictures ``(N, C, H, W)`` moved by whole pixels, each its own way; what comes in repeats the border.

    Args:
        x: of any type.
        down: int64 ``(N,)``, less than zero for up.
        right: int64 ``(N,)``, less than zero for left.
    """
    height, width = x.shape[-2:]
    rows = (torch.arange(height, device=x.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right[:, None]).clamp(0, width - 1)
    each = torch.arange(len(x), device=x.device)[:, None, None]
    found = x.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
    return found.permute(0, 3, 1, 2)


class Colours(Hooks):
    """Gives each channel of every picture another contrast and another brightness.

    Args:
        strength: x becomes ``(1 + a) x + b``, with a and b uniform up to it on either side, after preprocessing.
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self._strength = strength

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch recoloured."""
        contrast, light = self._strength * (2 * torch.rand(2, *x.shape[:2], 1, 1, device=x.device) - 1)
        return (1 + contrast) * x + light, y


class Mixup(Hooks):
    """Mixes every input of a batch with another one of it, and their targets likewise.

    Args:
        alpha: the share of the first is drawn for each batch from Beta(alpha, alpha).
        classes: of the targets.
    """

    def __init__(self, alpha: float, classes: int) -> None:
        super().__init__()
        self._alpha, self._classes = alpha, classes

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the mixtures, and soft targets ``(B, classes)``."""
        share = float(Beta(self._alpha, self._alpha).sample())
        other = torch.randperm(len(x)).to(x.device)
        soft = y if y.is_floating_point() else one_hot(y, self._classes).to(x.dtype)
        return share * x + (1 - share) * x[other], share * soft + (1 - share) * soft[other]
