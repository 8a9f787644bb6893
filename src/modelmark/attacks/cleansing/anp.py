"""Adversarial neuron pruning: channels whose small perturbation breaks the model are those that hold a backdoor."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._masks import Masks, below, learned, pruned
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Samples
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch


class Anp(Attack):
    """Learn channel masks that keep the model right under worst perturbations of channels, and cut what they leave out.

    Each step perturbs the weights' part of every channel by a factor ``delta`` and its bias by ``xi``, both at most ``eps``
    in size and chosen by one signed step against the model, and descends on ``alpha`` times the plain loss plus
    ``1 - alpha`` times the perturbed one. Only masks change; a cut channel keeps its bias; there is no
    fine-tuning.

    Source: Wu and Wang 2021, "Adversarial neuron pruning purifies backdoored deep models", arXiv 2110.14430.
    Departs: passes over the thief's data instead of 2,000 steps; running statistics are used and held; the strongest channel
    of every unit is kept.

    Args:
        eps: largest relative perturbation.
        alpha: weight of the plain loss.
        threshold: channels with a smaller mask are cut.
        rate: learning rate of the masks.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "anp"
    summary: ClassVar[str] = "cut the channels that are sensitive to adversarial perturbation"
    source: ClassVar[str] = "Wu & Wang 2021, arXiv 2110.14430"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"eps": 0.2},
        {"eps": 0.2, "threshold": 0.5},
        {},
        {"threshold": 0.6},
        {"threshold": 0.8},
    )

    eps: float = 0.3
    alpha: float = 0.2
    threshold: float = 0.2
    rate: float = 0.2
    epochs: int = 10
    batch: int = 64

    def __post_init__(self) -> None:
        require(
            epochs=self.epochs, batch=self.batch, rate=self.rate, eps=self.eps, alpha=self.alpha, threshold=self.threshold
        )  # fmt: skip

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the pruned copy."""
        recipe = constant(self.epochs, self.rate, batch=self.batch, nesterov=False)
        masks = learned(
            lambda copied: _Adversarial(copied, self.eps, self.alpha), model, task, recipe, seed=seed, watch=watch
        )
        return pruned(model, below(masks.paths, masks.values(), self.threshold))


class _Adversarial(Masks):
    """Masks that are learned under the worst perturbation of the moment."""

    def __init__(self, model: nn.Module, eps: float, alpha: float) -> None:
        super().__init__(model)
        self._forward = model.forward
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
        return loss + self._alpha * (cross_entropy(model(x), y) - cross_entropy(scores[: len(x)], y))
