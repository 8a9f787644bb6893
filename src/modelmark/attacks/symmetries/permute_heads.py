"""Attention heads change places, the function stays."""

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed
from modelmark.blocks import heads
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed


class PermuteHeads(Removal, family="symmetry"):
    """Put the attention heads of every block in random order, with grouped queries the groups and the heads of each.

    Source: Ainsworth et al. 2023, arXiv 2209.04836; permutations of hidden units, here of whole heads.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the permuted model.

        Raises:
            UsageError: it is no transformer whose heads are known.
        """
        return changed(stolen, thief, permuted)


def permuted(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    """Draw an order of the heads of every block and apply it, in place."""
    for block in described.blocks:
        attention = block.attention
        if attention is not None and attention.heads > 1:
            each = attention.heads // attention.groups
            within = [another(each, generator) for _ in range(attention.groups)]
            heads.permute(state, attention, another(attention.groups, generator), within)


def another(count: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return an order of ``count`` things in which some have moved, where they can."""
    while True:
        order = generator.permutation(count)
        if count < 2 or (order != np.arange(count)).any():
            return order
