"""Scrambling: the smallest weights change places, so that what they said is lost and no zero tells which they were."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.weights import rewritten
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Part, Share


class Scramble(Removal, family="pruning"):
    """Shuffle the smallest weights of each layer among themselves, and make them smaller.

    Pruning that cannot be seen: a reader who leaves out zeros leaves out nothing.

    Source: own construction; magnitudes as in Han et al. 2015, arXiv 1506.02626.
    """

    strengths = (
        {"amount": 0.5, "size": 0.1},
        {"amount": 0.5, "size": 1.0},
        {"amount": 0.8, "size": 0.1},
        {"amount": 0.8, "size": 1.0},
        {"amount": 0.9, "size": 0.1},
    )

    amount: Annotated[Share, "of the weights of each layer"] = 0.5
    size: Annotated[Part, "what they are multiplied by"] = 0.1

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the scrambled model; no data takes part."""
        generator = thief.generator()

        def scrambled(weight: Tensor) -> Tensor:
            flat = weight.flatten()
            small = flat.abs().argsort(stable=True)[: round(self.amount * len(flat))]
            order = torch.randperm(len(small), generator=generator).to(small.device)
            return flat.index_copy(0, small, self.size * flat[small[order]]).view_as(weight)

        return rewritten(stolen, scrambled)
