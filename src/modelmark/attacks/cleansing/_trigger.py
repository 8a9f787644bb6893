"""Neural Cleanse: the smallest patch that sends every input to a class, found for all classes at once.

Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P 2019.
"""

import copy
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks.base import Thief
from modelmark.attacks.fields import Count
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks, Samples

Steps = Annotated[Count, "of the reconstruction"]

_GROUP = 16  # classes in one forward pass
_SAMPLES = 512
_BATCH = 16  # inputs a step, for each class
_SUCCESS = 0.99  # share of inputs that a trigger must send to its class, as in the paper
_MAD = 1.4826  # makes the median absolute deviation that of a normal distribution


@dataclass(frozen=True)
class Triggers:
    """One reconstructed trigger a class.

    Args:
        masks: in [0, 1], ``(classes, 1, H, W)``; ``(classes, *input_shape)`` for inputs that are no pictures.
        patterns: as ``forward`` takes inputs, ``(classes, *input_shape)``.
        anomaly: how many deviations a mask is smaller than the median one, ``(classes,)``; negative where it is larger.
    """

    masks: Tensor
    patterns: Tensor
    anomaly: Tensor

    def suspicious(self, threshold: float = 2.0) -> Tensor:
        """Return the classes whose anomaly index is past the threshold, or else that of the smallest mask, ``(k,)``."""
        found = (self.anomaly > threshold).nonzero().flatten()
        return found if len(found) else self.anomaly.argmax().view(1)

    def stamped(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return ``x`` ``(N, *input_shape)`` with the trigger of ``classes`` ``(N,)`` on each input."""
        mask = self.masks[classes]
        return x * (1 - mask) + mask * self.patterns[classes]


class Stamping(Hooks):
    """Puts reconstructed triggers on a share of every batch; labels stay right, which unlearns the triggers.

    Args:
        triggers: of all classes.
        classes: those whose triggers are used, ``(k,)``; drawn for each input from the generator that ``fit`` forks.
        share: of the batch.
    """

    def __init__(self, triggers: Triggers, classes: Tensor, share: float) -> None:
        super().__init__()
        self._triggers = triggers
        self._classes = classes
        self._share = share

    def change(self, x: Tensor, y: Tensor) -> Samples:
        """Return the batch with its first inputs stamped."""
        count = round(self._share * len(x))
        drawn = self._classes[torch.randint(len(self._classes), (count,), device=x.device)]
        return torch.cat([self._triggers.stamped(x[:count], drawn), x[count:]]), y


def reconstruct(model: nn.Module, thief: Thief, steps: int) -> Triggers:
    """Return the smallest trigger of each class that ``steps`` of Adam found, at rate 0.1 as in the paper.

    Departs: the size of a mask is its mean, so that its weight in the loss does not depend on the picture's; that weight is
    raised while 99 % of inputs go to the class, else lowered, by a running rate at every step instead of after some patience;
    a fixed number of steps, each on 16 of 512 inputs of the thief.

    Args:
        model: left as it is.
        thief: gives inputs, not their labels, and the seed of starts and batches.
        steps: of the descent.
    """
    device, task, generator = next(model.parameters()).device, thief.task, thief.generator()
    frozen = copy.deepcopy(model).eval().requires_grad_(False)
    picked = torch.randperm(len(task.train_inputs), generator=generator)[:_SAMPLES]
    inputs = Normalise(task.feed)(task.train_inputs[picked.to(task.train_inputs.device)].to(device))
    limits = Extent.of(task).fed(device)
    groups = torch.arange(task.feed.classes, device=device).split(_GROUP)
    found = [_descend(frozen, inputs, group, limits, steps, generator) for group in groups]
    masks, patterns = (torch.cat(each) for each in zip(*found, strict=True))
    return Triggers(masks, patterns, anomaly_index(masks.flatten(1).sum(dim=1)))


def anomaly_index(sizes: Tensor) -> Tensor:
    """Return ``(median - size) / (1.4826 MAD)`` of each size, ``(classes,)``: large for a mask that is oddly small."""
    below = sizes.quantile(0.5) - sizes
    return below / (_MAD * below.abs().quantile(0.5)).clamp(min=1e-12)


def _descend(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    limits: tuple[Tensor, Tensor],
    steps: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return masks and patterns for the classes ``targets``; Adam acts on each number alone, so classes do not mix."""
    count, shape = len(targets), inputs.shape[1:]
    spatial = shape if len(shape) == 1 else (1, *shape[1:])
    at_mask = torch.randn(count, *spatial, generator=generator).mul_(0.1).to(inputs).requires_grad_(True)
    at_pattern = torch.randn(count, *shape, generator=generator).mul_(0.1).to(inputs).requires_grad_(True)
    optimizer = torch.optim.Adam([at_mask, at_pattern], lr=0.1, betas=(0.5, 0.9))
    cost = torch.ones(count, device=inputs.device)
    success = torch.zeros(count, device=inputs.device)
    smallest = torch.full((count,), float("inf"), device=inputs.device)
    mask, pattern = _squashed(at_mask, at_pattern, *limits)
    best_mask, best_pattern = mask.detach(), pattern.detach()
    wanted = targets[:, None].expand(count, _BATCH)
    one = (count, *(1 for _ in shape))
    for _ in range(steps):
        x = inputs[torch.randint(len(inputs), (_BATCH,), generator=generator).to(inputs.device)]
        mask, pattern = _squashed(at_mask, at_pattern, *limits)
        stamped = x[None] * (1 - mask)[:, None] + (mask * pattern)[:, None]
        scores = scored(model, stamped.flatten(0, 1))
        losses = cross_entropy(scores, wanted.flatten(), reduction="none").view(count, _BATCH).mean(dim=1)
        size = mask.flatten(1).mean(dim=1)
        gradients = torch.autograd.grad((losses + cost * size).sum(), [at_mask, at_pattern])
        at_mask.grad, at_pattern.grad = gradients
        optimizer.step()
        with torch.no_grad():
            hit = (scores.argmax(dim=1).view(count, _BATCH) == wanted).float().mean(dim=1)
            success = 0.8 * success + 0.2 * hit
            good = success >= _SUCCESS
            cost = torch.where(good, cost * 1.1, cost / 1.15)
            better = (good & (size < smallest)) | ~smallest.isfinite() & ~good  # the latest, until one succeeds
            best_mask = torch.where(better.view(one), mask, best_mask)
            best_pattern = torch.where(better.view(one), pattern, best_pattern)
            smallest = torch.where(better & good, size, smallest)
    return best_mask, best_pattern


def _squashed(at_mask: Tensor, at_pattern: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    return at_mask.sigmoid(), low + (high - low) * at_pattern.sigmoid()
