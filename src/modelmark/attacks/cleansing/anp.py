"""Adversarial neuron pruning: channels whose small perturbation breaks the model are those that hold a backdoor."""

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._masks import MaskRate, Masks, Threshold, below, learned, prune
from modelmark.attacks.fields import Batch, Epochs, Share
from modelmark.networks.calling import scored
from modelmark.training.hooks import Samples


class Anp(Removal, family="cleansing"):
    """Cut the channels that are sensitive to adversarial perturbation.

    Each step perturbs the weights' part of every channel by a factor ``delta`` and its bias by ``xi``, both at most ``eps``
    in size and chosen by one signed step against the model, and descends on ``alpha`` times the plain loss plus
    ``1 - alpha`` times the perturbed one. Only channel masks change; what they leave out is cut, but for its bias; there is
    no fine-tuning.

    Source: Wu & Wang 2021, arXiv 2110.14430; "Adversarial neuron pruning purifies backdoored deep models".
    Departs: passes over the thief's data instead of 2,000 steps; running statistics are used and held; the strongest channel
    of every unit is kept.
    """

    strengths = ({"eps": 0.2}, {"eps": 0.2, "threshold": 0.5}, {}, {"threshold": 0.6}, {"threshold": 0.8})

    eps: Annotated[Share, "largest relative perturbation"] = 0.3
    alpha: Annotated[Share, "weight of the plain loss"] = 0.2
    threshold: Threshold = 0.2
    rate: MaskRate = 0.2
    epochs: Epochs = 10
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the pruned model."""
        masks = learned(lambda copied: _Adversarial(copied, self.eps, self.alpha), stolen, self, thief)
        return prune(stolen, below(masks, self.threshold))


class _Adversarial(Masks):
    """Masks that are learned under the worst perturbation of the moment."""

    def __init__(self, model: nn.Module, eps: float, alpha: float) -> None:
        super().__init__(model)
        self._forward = partial(scored, model)
        self._eps, self._alpha = eps, alpha

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Set the perturbation that this batch suffers most from, from a random start as in their code."""
        drawn = [(torch.rand_like(mask) * 2 - 1, torch.rand_like(mask) * 2 - 1) for mask in self.masks]
        start = [(self._eps * part).requires_grad_(True) for pair in drawn for part in pair]
        self.noise = list(zip(start[::2], start[1::2], strict=True))
        slopes = torch.autograd.grad(cross_entropy(self._forward(x), y), start, allow_unused=True)
        worst = [
            (part + (0 if slope is None else self._eps * slope.sign())).clamp(-self._eps, self._eps).detach()
            for part, slope in zip(start, slopes, strict=True)
        ]
        self.noise = list(zip(worst[::2], worst[1::2], strict=True))
        return x, y

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return ``alpha`` of the plain loss and ``1 - alpha`` of the perturbed one, which the loop took."""
        self.noise = None
        return loss + self._alpha * (cross_entropy(scored(model, x), y) - cross_entropy(scores[: len(x)], y))
