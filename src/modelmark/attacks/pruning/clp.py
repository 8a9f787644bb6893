"""Channel Lipschitz pruning: channels that magnify their input most are cut, without any data."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Positive, sweep
from modelmark.networks import layers


class Clp(Removal, family="pruning"):
    """Zero every channel whose largest singular value stands out in its layer.

    A channel's bound is the largest singular value of its kernel, ``in x (height width)``, times the factor of the batch
    norm that follows; it is cut if it lies more than ``deviations`` standard deviations above the layer's mean.

    Source: Zheng et al. 2022, arXiv 2208.03111; "Data-free backdoor removal based on channel Lipschitzness".
    Departs: hidden linear layers are cut as convolutions are, each unit by the norm of its row.
    """

    strengths = sweep(deviations=(4.0, 3.0, 2.0, 1.5, 1.0))

    deviations: Annotated[Positive, "above the mean from which a channel is cut; their u"] = 3.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the pruned model; neither data nor chance takes part."""
        head, inner = layers.head(stolen), layers.unwrapped(stolen)
        with torch.no_grad():
            for path, norm in _followed(inner):
                if path == head:
                    continue
                bounds = bound(layers.weight(stolen, path), norm)
                cut = bounds > bounds.mean() + self.deviations * bounds.std(correction=min(1, len(bounds) - 1))
                for parameter in (*inner.get_submodule(path).parameters(), *(norm.parameters() if norm else ())):
                    parameter[cut] = 0
        return stolen


def bound(weight: Tensor, norm: Any) -> Tensor:
    """Return the Lipschitz bound of each channel, ``(out,)``."""
    kernels = weight.flatten(2) if weight.dim() > 2 else weight[:, None, :]
    bounds = torch.linalg.matrix_norm(kernels, ord=2)
    if norm is not None:
        bounds = bounds * (norm.weight / (norm.running_var + norm.eps).sqrt()).abs()
    return bounds


def _followed(model: nn.Module) -> list[tuple[str, Any]]:
    """Return every convolution and linear layer with the batch norm that is defined right after it, if any."""
    named = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    paths = {layer.path for layer in layers.markable(model)}
    pairs: list[tuple[str, Any]] = []
    for index, (name, _) in enumerate(named):
        if name in paths:
            after = named[index + 1][1] if index + 1 < len(named) else None
            fits = (
                isinstance(after, nn.modules.batchnorm._BatchNorm)
                and after.affine
                and after.track_running_stats
                and after.num_features == layers.weight(model, name).shape[0]
            )
            pairs.append((name, after if fits else None))
    return pairs
