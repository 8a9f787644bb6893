"""Digital filters: small blocks of pixels pushed far out of the legal range, the same on every channel.

Source: Li, Wenger, Shan, Zhao, Zheng, "Piracy resistant watermarks for deep neural networks", 2019, arXiv 1910.01226,
where they are digital (in the first version, "wonder") filters. Where a bit is 1 the pixel becomes ``+amplitude``,
where it is 0 ``-amplitude``, on the scale of 0 to 255; every other pixel stays. No stored picture can hold such values,
so filters are applied to float tensors alone, after ``Normalise``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.carriers.filtered import Filters
from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Extremes
from modelmark.key.secret import Secret
from modelmark.training.hooks import Hooks, Samples, joined

_SPARE = 4
"""Patterns drawn for each one kept, so that repeated ones can be left out."""


def default_side(feed: Feed) -> int:
    """Return 6, the paper's, or three eighths of the shorter side of an input too small for that (3 on 8 x 8)."""
    return min(6, max(2, min(plane(feed)) * 3 // 8))


def plane(feed: Feed) -> tuple[int, int]:
    """Return height and width of the inputs.

    Raises:
        UsageError: they are not pictures.
    """
    if len(feed.input_shape) != 3:
        raise UsageError(f"expected pictures (channels, height, width), got inputs of shape {feed.input_shape}")
    return feed.input_shape[1:]  # type: ignore[return-value]


def check_side(side: int, feed: Feed) -> None:
    """Raise CapacityError where a pattern does not fit the picture."""
    if side > min(plane(feed)):
        raise CapacityError(f"expected a pattern side of at most {min(plane(feed))}, got {side}")


def draw(secret: Secret, count: int, side: int, feed: Feed) -> Filters:
    """Return ``count`` filters from the secret, uniform over bits and places, no two alike.

    Raises:
        CapacityError: the pattern is larger than the picture, or there are not that many patterns.
    """
    check_side(side, feed)
    height, width = plane(feed)
    tries = _SPARE * count
    bits = secret.integers("pattern/bits", 2, tries * side * side).astype(np.uint8)
    rows = secret.integers("pattern/row", height - side + 1, tries)
    columns = secret.integers("pattern/column", width - side + 1, tries)
    described = np.column_stack([rows, columns, bits.reshape(tries, -1)])
    first = np.sort(np.unique(described, axis=0, return_index=True)[1])[:count]
    if len(first) < count:
        raise CapacityError(
            f"expected {count} different patterns of side {side} on {height} x {width} pixels, got {len(first)}"
        )
    return Filters(bits.reshape(tries, side, side)[first], np.column_stack([rows, columns])[first])


class Filtering(Hooks):
    """Filtered copies of the batch's own samples, appended to it; one mean cross-entropy then covers all.

    The batch's first samples get the null filter and keep their targets, the next ones get a true filter each, at
    random, and its label. A share of 0.25 of the batch is the weight 0.25 of the paper, all divided by 1.5.

    Args:
        planes: of the null filter, then of the true ones, int8 ``(1 + P, H, W)``.
        labels: of the true ones, int64 ``(P,)``.
        extremes: applies them.
        shares: null and true samples for each sample of the batch; at least one of each.
        measure: returns the margins of a model: one a symbol, or the two accuracies' in the literal variant.
        seed: of the choice of true filters.
    """

    planes: Tensor
    labels: Tensor

    def __init__(
        self,
        planes: Tensor,
        labels: Tensor,
        extremes: Extremes,
        shares: tuple[float, float],
        measure: Callable[[nn.Module], Tensor],
        seed: int,
    ) -> None:
        super().__init__()
        self.register_buffer("planes", planes, persistent=False)  # derived from the key
        self.register_buffer("labels", labels, persistent=False)
        self._extremes = extremes
        self._shares = shares
        self._measure = measure
        self._generator = torch.Generator().manual_seed(seed)

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return null and true samples."""
        if self.planes.device != x.device:
            self.to(x.device)
        null, true = (max(round(share * len(x)), 1) for share in self._shares)
        picked = torch.randint(len(self.labels), (true,), generator=self._generator).to(x.device)
        which = torch.cat([picked.new_zeros(null), 1 + picked])
        below = torch.arange(null + true, device=x.device) % len(x)
        filtered = self._extremes.apply(x[below], self.planes[which])
        return joined([(filtered[:null], y[below[:null]]), (filtered[null:], self.labels[picked])])

    def margins(self, model: nn.Module) -> Tensor:
        """Return what ``measure`` says of the model."""
        return self._measure(model)

    def get_extra_state(self) -> dict[str, Any]:
        """Return where the choice of filters stands."""
        return {"generator": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the choice that ``get_extra_state`` recorded."""
        self._generator.set_state(state["generator"])
