"""The residual stream in another order: every matrix changes, the function stays."""

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed
from modelmark.blocks import stream
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed


class PermuteStream(Removal, family="symmetry"):
    """Put the residual stream of a transformer in random order, tables, norms and head along; the function stays.

    Source: Fernandez et al. 2023, arXiv 2310.11446; "functional invariants to watermark large transformers", among them this one.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the permuted model.

        Raises:
            UsageError: it is no transformer of which the part of every weight is known.
        """
        return changed(stolen, thief, permuted)


def permuted(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    """Draw an order of the stream and apply it, in place."""
    order = generator.permutation(described.width)
    for part in described.parts:
        stream.permute(state, part, order)
