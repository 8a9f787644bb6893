"""What an API does for ``field`` where its network is left alone: it serves scores with the field on top.

::

    served = Leaned(mark, model)             # features, or pixels
    served(x)                                # scores of inputs as forward takes them; argmax and softmax follow
    Leaned(mark, model, limit=0.5)           # the label is left alone where it leads by 0.5 and more
    Leaned(mark, model, limit=0.0)           # and everywhere: the ranking below it alone leans

A thief's training labels carry the field then, as they do where the network does. What is served without it, such as to the
owner's own people, costs nothing; whoever has the network has no mark.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelmark.errors import UsageError
from modelmark.marks.leaning import Leaning as Own
from modelmark.marks.marks import Mark
from modelmark.networks import layers, taps
from modelmark.networks.calling import scored
from modelmark.schemes._field_along import Leaning, numbers_of
from modelmark.schemes._field_head import head_of, require_head
from modelmark.schemes.field import Field

if TYPE_CHECKING:
    from modelmark.carriers.field import Fields

_KEPT = 0.5
"""The part of a lead that a field may take where it leaves the label alone: less would show where it wanted another."""


class Leaned(nn.Module):
    """A network whose answers lean; it is called as the network is.

    Args:
        mark: of ``field``; of coordinates of one's own with their function, see ``along``.
        model: the unmarked host, not copied and not changed; evaluated.
        limit: the lead, in scores, from which on the likeliest class is left where it is; None: none is.
        times: the key's strength times this.

    Raises:
        UsageError: a mark of another scheme, or a limit below zero.
        MismatchError: the network has another head than the key edits.
    """

    def __init__(self, mark: Mark, model: nn.Module, *, limit: float | None = None, times: float = 1.0) -> None:
        super().__init__()
        scheme, carriers = mark.key.scheme, mark.carriers
        if not isinstance(scheme, Field):
            raise UsageError(f"expected a mark of field, got {scheme.name}", hint="marks.serving serves choice")
        if (limit is not None and limit < 0) or not times > 0:
            raise UsageError(f"expected a limit of at least 0 and a strength above 0, got {limit} and {times:g}")
        self.model, self._limit, self._times = model.eval(), limit, times
        self._path = ""
        fields: Fields = carriers  # type: ignore[assignment]
        if scheme.instant:
            require_head(model, fields)
            self._path = head_of(model)[0]
            self._field = Leaning(fields, mark.message, lambda received: received)
        else:
            along = mark.function if isinstance(mark, Own) else None
            self._field = Leaning(fields, mark.message, numbers_of(scheme.coordinates, fields.feed, along))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of inputs as ``forward`` takes them, with the field, ``(N, classes)``."""
        if self._path:
            tap = taps.Tap(layers.unwrapped(self.model), self._path, looking=True)
            scores = scored(self.model, x)
            field = self._field.field(tap.take())
        else:
            scores, field = scored(self.model, x), self._field.field(x)
        return leaned(scores, self._times * field.to(scores), self._limit)


def leaned(scores: Tensor, field: Tensor, limit: float | None = None) -> Tensor:
    """Return scores with a field on top, ``(N, classes)``.

    Where the likeliest class leads by ``limit`` and more it stays the likeliest: of the field there is as much as leaves it half
    of its lead over every other class.

    Args:
        scores: ``(N, classes)``.
        field: in scores, ``(N, classes)``.
        limit: None: the field is added everywhere.
    """
    if limit is None:
        return scores + field
    top = scores.argmax(dim=1, keepdim=True)
    ahead = scores.gather(1, top) - scores
    against = field - field.gather(1, top)
    share = torch.where(against > 0, _KEPT * ahead / against.clamp(min=1e-12), torch.inf).amin(dim=1, keepdim=True)
    lead = ahead.scatter(1, top, torch.inf).amin(dim=1, keepdim=True)
    return scores + torch.where(lead < limit, 1.0, share.clamp(max=1.0)) * field
