"""Folding: batch norm becomes part of the layer before it."""

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.deployment._base import fed
from modelmark.attacks.deployment._folding import folded
from modelmark.errors import UsageError


class Fold(Removal, family="deployment"):
    """Fold batch norm into the layer before it, as every exporter does; batch norm stays as an identity that adds a bias.

    Source: Jacob et al. 2018, arXiv 1712.05877; section 3.2, as exporters do it after training.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the folded model, which answers as before; no data takes part but to see what runs after what.

        Raises:
            UsageError: no batch norm follows a layer, or something else takes what the layer answers.
        """
        inputs = fed(thief, 2)
        with torch.no_grad():
            before = stolen(inputs)
            if not folded(stolen, inputs):
                raise UsageError("expected batch norm after a convolution or linear layer, got a model without")
            if not torch.allclose(stolen(inputs), before, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
                raise UsageError("expected layers whose answers go to batch norm alone, got some that go elsewhere too")
        return stolen
