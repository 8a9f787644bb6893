"""Merging: the stolen model and another fine-tune of the same published base become one network."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Collusion, Thief
from modelmark.attacks.fields import Batch, Epochs, Part, Rate, Share
from modelmark.attacks.weights._base import pair

_PARALLEL = 0.9995
"""Cosine above which the arc between two tensors is a straight line, as in mergekit."""


class Merge(Collusion, family="merging"):
    """Merge the stolen model with a fine-tune of its published base: linear, slerp, ties or dare.

    The thief needs the base that the owner trained on from, and makes the other fine-tune on his own data. ``linear`` and
    ``slerp`` average the two networks, ``ties`` and ``dare`` their differences to the base.

    Source: Yadav et al. 2023, arXiv 2306.01708 (TIES); Yu et al. 2024, arXiv 2311.03099 (DARE); Shoemake 1985 (slerp); Wortsman
    et al. 2022, arXiv 2203.05482 (linear).
    Departs: each tensor is trimmed by itself, as in mergekit, where TIES ranks all of a network; running statistics are averaged.
    """

    source = "Yadav et al. 2023, arXiv 2306.01708; Yu et al. 2024, arXiv 2311.03099"
    brings: ClassVar[Literal["copies", "base"]] = "base"
    strengths = (
        {"how": "linear"},
        {"how": "slerp"},
        {"how": "ties", "density": 0.5},
        {"how": "ties", "density": 0.2},
        {"how": "dare", "density": 0.3},
    )

    how: Annotated[Literal["linear", "slerp", "ties", "dare"], "by which rule"] = "linear"
    share: Annotated[Share, "of the other fine-tune in the merged network"] = 0.5
    density: Annotated[Part, "of the differences that ties keeps, the largest, or dare, at random"] = 0.5
    rate: Rate = 0.02
    epochs: Epochs = 10
    batch: Batch = 64

    def combine(self, copies: list[nn.Module], thief: Thief) -> nn.Module:
        """Return the merged model.

        Raises:
            UsageError: not a stolen model and its base.
        """
        stolen, base = pair(copies)
        generator = thief.generator()
        tuned, origin = thief.tune(base, self).state_dict(), base.state_dict()
        learned = {name for name, _ in stolen.named_parameters()}
        with torch.no_grad():
            for name, value in stolen.state_dict().items():
                if not value.is_floating_point():
                    continue
                other, start = tuned[name].to(value), origin[name].to(value)
                merged = (
                    self._merged(value, other, start, generator)
                    if name in learned
                    else torch.lerp(value, other, self.share)
                )
                value.copy_(merged)
        return stolen

    def _merged(self, one: Tensor, other: Tensor, base: Tensor, generator: torch.Generator) -> Tensor:
        if self.how == "linear":
            return torch.lerp(one, other, self.share)
        if self.how == "slerp":
            return slerp(one, other, self.share)
        differences = torch.stack([one - base, other - base])
        weights = torch.tensor([1 - self.share, self.share]).to(one).view(2, *[1] * one.dim())
        if self.how == "ties":
            return base + ties(differences, weights, self.density)
        kept = torch.rand(differences.shape, generator=generator).to(one) < self.density
        return base + (weights * differences * kept / self.density).sum(dim=0)


def slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return the tensor at ``share`` of the way from ``one`` to ``other``, along the arc between their directions."""
    lengths = one.norm() * other.norm()
    cosine = float((one * other).sum() / lengths) if lengths else 1.0
    if abs(cosine) > _PARALLEL:
        return torch.lerp(one, other, share)
    angle = math.acos(cosine)
    return (math.sin((1 - share) * angle) * one + math.sin(share * angle) * other) / math.sin(angle)


def ties(differences: Tensor, weights: Tensor, density: float) -> Tensor:
    """Return the weighted mean of the differences that are kept and have the sign that weighs more, 0 where none is.

    Args:
        differences: to the base, ``(networks, *shape)``; the ``density`` largest of each are kept.
        weights: of the networks, ``(networks, 1, ...)``.
        density: share that is kept, at least one.
    """
    sizes = differences.flatten(1).abs()
    dropped = min(round((1 - density) * sizes.shape[1]), sizes.shape[1] - 1)
    least = sizes.sort(dim=1).values[:, dropped].view_as(weights)
    kept = torch.where(differences.abs() >= least, differences, 0) * weights
    agree = (kept.sign() == kept.sum(dim=0).sign()) & (kept != 0)
    return (kept * agree).sum(dim=0) / (weights * agree).sum(dim=0).clamp(min=torch.finfo(kept.dtype).tiny)
