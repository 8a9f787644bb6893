"""Hidden units of perceptrons change places, the function stays."""

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed
from modelmark.blocks import units
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed, matrix


class PermuteUnits(Removal, family="symmetry"):
    """Put the hidden units of every block's perceptron in random order, gates along; the function stays.

    Source: Lukas et al. 2022, arXiv 2108.04974; there "neuron permutation".
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the permuted model.

        Raises:
            UsageError: it is no transformer.
        """
        return changed(stolen, thief, permuted)


def permuted(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    """Draw an order of all hidden units and apply it, in place."""
    for part in described.parts:
        for each in part.units:
            units.permute(state, each, generator.permutation(len(matrix(state, each.makers[0]))))
