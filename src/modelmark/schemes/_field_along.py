"""What a field's coordinates are sums of: pixels, or what a function says of an input; and hooks that train a network to lean.

What the head receives needs neither: its field is an edit of the head. Others a network learns, from a loss that is the
cross-entropy of its scores less the field: where it is least, the scores are what they would have been, with the field on top.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.carriers.field import Fields
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.schemes._field_head import shown, signs
from modelmark.training.hooks import Hooks, replaced

Along = Callable[[Tensor], Tensor]
"""From inputs as ``forward`` takes them, ``(N, *input_shape)``, to numbers of each, ``(N, M)``; the same every time."""


def pixels(feed: Feed) -> Along:
    """Return the numbers of an input; of a picture those of its mean with its mirror image, which a mirrored copy has too.

    Raises:
        UsageError: inputs are no numbers.
    """
    if feed.kind not in ("pictures", "floats"):
        raise UsageError(f"expected pictures or floats, whose numbers are coordinates, got {feed.kind}")
    pictures = feed.kind == "pictures"

    def numbers(x: Tensor) -> Tensor:
        return ((x + x.flip(-1)) / 2 if pictures else x).flatten(1)

    return numbers


def numbers_of(coordinates: str, feed: Feed, along: Along | None) -> Along:
    """Return what coordinates other than those of the head are sums of.

    Raises:
        UsageError: a function is missing or not wanted.
    """
    if coordinates == "features":
        raise UsageError(
            "expected a field of pixels or of one's own, got one of features, which an edit of the head embeds"
        )
    if (along is None) == (coordinates == "own"):
        got = "none" if along is None else f"one with {coordinates}"
        raise UsageError(
            f"expected a function with coordinates of one's own alone, got {got}",
            hint="the one that Field.prepared was given: mark.key.scheme.leaning(mark.carriers, mark.message, along)",
        )
    return along or pixels(feed)


def width(feed: Feed) -> int:
    """Return in how many directions ``pixels`` may vary."""
    *rest, last = feed.input_shape
    return int(np.prod(rest)) * ((last + 1) // 2 if feed.kind == "pictures" else last)


class Leaning(Hooks):
    """The loss of the loop's own samples becomes the cross-entropy of their scores less the field.

    Args:
        carriers: of the key.
        message: 0 or 1 for each sign.
        along: what coordinates are sums of.

    Raises:
        UsageError: the carriers are of an opening, which has no field.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, carriers: Fields, message: npt.NDArray[np.int64], along: Along) -> None:
        super().__init__()
        if carriers.edit is None:
            raise UsageError("expected the field in the key, got carriers of an opening")
        made = torch.from_numpy(signs(carriers, message).T @ carriers.edit.astype(np.float64)).float()
        self.register_buffer("weight", made[:, :-1].contiguous(), persistent=False)  # derived from the key
        self.register_buffer("bias", made[:, -1].contiguous(), persistent=False)
        self._carriers, self._message, self._along = carriers, message, along

    @torch.no_grad()
    def field(self, x: Tensor) -> Tensor:
        """Return the field, in scores, of inputs as ``forward`` takes them, ``(N, classes)``.

        Raises:
            MismatchError: the function says other numbers of an input than the key was made with.
        """
        if self.weight.device != x.device:
            self.to(x.device)
        found = self._along(x).float()
        if found.shape != (len(x), self.weight.shape[1]):
            raise MismatchError(
                f"expected {self.weight.shape[1]} numbers of each input, as the key was made with, got shape {tuple(found.shape)}"
            )
        return found.to(self.weight.device) @ self.weight.T + self.bias

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the loss with what the loop's own samples cost less the field."""
        own = scores[: len(x)]
        leaned = own - self.field(x).to(own.dtype)
        return replaced(loss, cross_entropy(own, y), cross_entropy(leaned, y), x, scores)

    def margins(self, model: nn.Module) -> Tensor:
        """Return by how many deviations of all sums each sign shows as it should, ``(trials,)``."""
        return shown(model, self._carriers, self._message)
