"""A field of the thief's own over the last layer: whoever knows the scheme, and not the secret, writes over it."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks._tools.heads import add, head_of, whitening
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Count, Positive, sweep


class OwnField(Removal, family="noise", feeds=CLASSES):
    """Add to the scores a sum of whitened last features with signs of the thief's own, by one edit of the last layer.

    Aimed at ``field``, which marks so with signs of the owner's; ``chain`` puts it over a student: ``retrain+own-field``.
    The thief's signs are independent of the owner's, so this is noise in just the directions that a field is read in.

    Source: own construction.
    """

    strengths = sweep(eps=(0.2, 0.35, 0.5, 1.0, 2.0))

    eps: Annotated[Positive, "size of the thief's field: its standard deviation over inputs, in each score"] = 0.5
    directions: Annotated[Count, "of the features, largest variance first, at most"] = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with the field; the thief's labels are not used.

        Raises:
            UsageError: the last layer is not linear, or is not given one vector an input.
        """
        head = head_of(stolen, thief.task)
        whitened = whitening(head.features, self.directions)
        shape = (head.layer.out_features, len(whitened.axes))
        signs = 2.0 * torch.randint(0, 2, shape, generator=thief.generator()) - 1
        add(head.layer, whitened, self.eps / shape[1] ** 0.5 * signs.to(whitened.axes))
        return stolen
