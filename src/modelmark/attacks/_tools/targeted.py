"""Targeted projected gradient descent on one or several models at once, with inputs as they are stored as the result.

Source: Madry et al. 2018, arXiv 1706.06083; the mean of the models' losses as in Liu et al. 2017, arXiv 1611.02770.
"""

import copy
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks.fields import Within
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.suspects.module import logits

Epsilon = Annotated[float, Within(0, FULL_SCALE, open="low"), "largest change of a number, of 255 for full scale"]


def targeted(
    models: Sequence[nn.Module],
    pictures: Tensor,
    labels: Tensor,
    extent: Extent,
    *,
    epsilon: float,
    steps: int,
) -> Tensor:
    """Return inputs near ``pictures`` that the models answer with ``labels``, ``(N, *input_shape)`` on the CPU.

    Steps are signs of the gradient, ``2.5 epsilon / steps`` long, less over the last half; pixels are rounded at the end.

    Args:
        models: left as they were; all of one interface and on one device.
        pictures: as they are stored, ``(N, *input_shape)``.
        labels: wanted, ``(N,)``.
        extent: of the inputs.
        epsilon: largest change of a number, full scale being 255.
        steps: gradient steps.
    """
    ready = [copy.deepcopy(model).eval() for model in models]
    device = next(ready[0].parameters()).device
    normalise, unit = Normalise(extent.feed), extent.share(1 / FULL_SCALE).to(device)
    found = []
    for part, wanted in zip(pictures.to(device).split(256), labels.to(device).split(256), strict=True):
        base = part.float()
        low = torch.maximum(base - epsilon * unit, extent.low.to(device))
        high = torch.minimum(base + epsilon * unit, extent.high.to(device))
        x = base
        for step in range(steps):
            x = x.detach().requires_grad_(True)
            fed = normalise(x)
            loss = torch.stack([cross_entropy(scored(model, fed), wanted, reduction="sum") for model in ready]).mean()
            (slope,) = torch.autograd.grad(loss, x)
            length = 2.5 * epsilon / steps * min(1.0, 2 * (1 - step / steps))
            x = torch.clamp(x - length * unit * slope.sign(), low, high)
        found.append(extent.stored(x.detach()))
    return torch.cat(found).cpu()


def leads(models: Sequence[nn.Module], pictures: Tensor, labels: Tensor, feed: Feed) -> Tensor:
    """Return how far each label is ahead of the best other class on the model where it is least so, logits ``(N,)``."""
    fed, column = Normalise(feed)(pictures), labels.cpu()[:, None]
    each = []
    for model in models:
        outputs = logits(model, fed).cpu()
        each.append(outputs.gather(1, column)[:, 0] - outputs.scatter(1, column, -torch.inf).amax(dim=1))
    return torch.stack(each).amin(dim=0)
