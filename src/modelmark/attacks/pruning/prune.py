"""Magnitude pruning: the smallest weights become zero, over the whole network or layer by layer."""

from typing import Annotated, Literal

from torch import nn
from torch.nn.utils import prune

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Share, sweep
from modelmark.networks import layers


class Prune(Removal, family="pruning"):
    """Zero the smallest weights of all convolution and linear layers; nothing is trained afterwards.

    Source: Uchida et al. 2017, arXiv 1701.04082; section 4.4, after Han et al. 2015, arXiv 1506.02626.
    """

    strengths = sweep(amount=(0.2, 0.5, 0.8, 0.9, 0.95))

    amount: Annotated[Share, "of the weights"] = 0.5
    scope: Annotated[Literal["global", "layer"], "all weights ranked together, or each layer's"] = "global"

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the pruned model; neither data nor chance takes part."""
        chosen = [(layers.unwrapped(stolen).get_submodule(layer.path), "weight") for layer in layers.markable(stolen)]
        if self.scope == "global":
            prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=self.amount)
        else:
            for module, name in chosen:
                prune.l1_unstructured(module, name, amount=self.amount)  # type: ignore[no-untyped-call]
        for module, name in chosen:
            prune.remove(module, name)  # type: ignore[no-untyped-call]
        return stolen
