"""A trimmed last layer: of each direction of the features only what counts most for the classes stays."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import CLASSES
from modelmark.attacks._tools.heads import add, head_of, whitening
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Part, sweep


class TrimHead(Removal, family="noise", feeds=CLASSES):
    """Set the smallest weights of the last layer to zero, as they stand for whitened directions of the features.

    Aimed at ``field``, which adds the same amount to every such weight, and so is most of what the small ones hold. Scores keep
    their means over the thief's inputs.

    Source: own construction; pruning by size of Han et al. 2015, arXiv 1506.02626, in other coordinates.
    """

    strengths = sweep(keep=(0.75, 0.5, 0.35, 0.25, 0.15))

    keep: Annotated[Part, "share of the weights that stay, the largest of all classes together; at least one does"] = (
        0.5
    )

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the trimmed model; neither labels nor chance take part.

        Raises:
            UsageError: the last layer is not linear, or is not given one vector an input.
        """
        head = head_of(stolen, thief.task)
        whitened = whitening(head.features, head.layer.in_features)
        spread = torch.linalg.pinv(whitened.axes)  # (M, K): back from coordinates to features
        weights = head.layer.weight.detach().to(spread) @ spread
        kept = max(round(self.keep * weights.numel()), 1)
        least = weights.abs().flatten().topk(kept).values[-1]
        add(head.layer, whitened, torch.where(weights.abs() < least, -weights, 0.0))
        return stolen
