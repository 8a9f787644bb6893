"""How the last part of a trained network learns a ``deepsigns`` mark: each bit of a class mean is pushed past its margin."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from modelmark.carriers.means import Means
from modelmark.schemes._centres import Centres, Terms
from modelmark.schemes.blackbox import hard

_PAST, _WEIGHT = 2.0, 1.0
"""Of the margin: how far bits are pushed in a batch, whose means wander; weight of the term beside what is kept."""


class Pulling(Centres):
    """The means of a batch in place of centres: a hinge on every bit, none of which is moved once it is past.

    Departs: centres that carry the bits draw activations along slowly; what is read are means, and these are pushed themselves.

    Args:
        model: the module that is taught.
        carriers: classes, inputs, projections and paths.
        message: bits.
        terms: of the scheme.
        margin: every bit's, in the scheme's unit.
    """

    places: Tensor

    def __init__(self, model: nn.Module, carriers: Means, message: Tensor, terms: Terms, *, margin: float) -> None:
        super().__init__(model, carriers, message, terms)
        self._margin = margin
        self.centres = nn.ParameterList()
        places = torch.full((carriers.feed.classes,), len(carriers.classes))
        places[self.carrying] = torch.arange(len(carriers.classes))
        self.register_buffer("places", places, persistent=False)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add the weighted mean of ``max(0, wanted - (2 b - 1) A mu)`` over all bits of the classes in the batch."""
        chosen = one_hot(self.places[hard(y)], len(self.carrying) + 1)[:, :-1].to(scores.dtype)
        count = chosen.sum(dim=0)
        there = count > 0
        for index, tap in enumerate(self._taps):
            values = tap.take()[: len(y)] @ self.get_buffer(f"projection{index}").t()
            means = (chosen.t() @ values)[there] / count[there, None]
            signed = means * (2 * self.message[index][there] - 1)
            loss = loss + _WEIGHT * torch.relu(_PAST * self._wanted(values.detach()) - signed).mean()
        return loss

    def _wanted(self, values: Tensor) -> float | Tensor:
        """Return the margin in activations; of one in standard errors an upper bound, as classes spread less than all data."""
        if self._terms.unit == "activation":
            return self._margin
        return self._margin * values.std(dim=0) / (len(self.inputs) / len(self.carrying)) ** 0.5
