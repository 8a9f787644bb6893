"""What heads pass on in another basis, the function stays."""

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed
from modelmark.blocks import heads
from modelmark.blocks.description import Attention, Transformer
from modelmark.blocks.views import Changed, Reals


class TurnHeads(Removal, family="symmetry"):
    """Write queries and keys, and the values, of every head in a random basis that its partner takes back; the function stays.

    Rotary positions leave queries and keys free within their pairs alone.

    Source: Fernandez et al. 2023, arXiv 2310.11446; "functional invariants to watermark large transformers", among them the
    products of queries and keys.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model in other bases.

        Raises:
            UsageError: it is no transformer whose heads are known.
        """
        return changed(stolen, thief, turned)


def turned(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    """Draw bases for the heads of every block and apply them, in place."""
    for block in described.blocks:
        if block.attention is not None and block.attention.heads:
            width = heads.size(state, block.attention)
            passed = _basis(block.attention.groups, width, generator)
            heads.turn(state, block.attention, _asked(block.attention, width, generator), passed)


def _asked(attention: Attention, width: int, generator: np.random.Generator) -> Reals:
    """Return bases for queries that keys can take back, ``(groups, width, width)``."""
    if attention.basis == "any":
        return _basis(attention.groups, width, generator)
    if attention.basis == "none" or width % 2:
        return np.broadcast_to(np.eye(width), (attention.groups, width, width)).copy()
    half = np.arange(width // 2)
    angles = generator.uniform(0, 2 * np.pi, (attention.groups, width // 2))
    sizes = np.exp(generator.uniform(-1, 1, angles.shape))
    made = np.zeros((attention.groups, width, width))
    made[:, half, half] = made[:, half + width // 2, half + width // 2] = sizes * np.cos(angles)
    made[:, half + width // 2, half] = sizes * np.sin(angles)
    made[:, half, half + width // 2] = -made[:, half + width // 2, half]
    return made


def _basis(groups: int, width: int, generator: np.random.Generator) -> Reals:
    """Return random bases, ``(groups, width, width)``, in which no direction is more than ten times as long as another."""
    left, _, right = np.linalg.svd(generator.normal(size=(groups, width, width)))
    sizes = np.exp(generator.uniform(-1.1, 1.1, (groups, 1, width)))
    made: Reals = (left * sizes) @ right
    return made
