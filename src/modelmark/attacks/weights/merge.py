"""Merging: the stolen model and another fine-tune of the same published base become one network."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Collusion, Thief
from modelmark.attacks.fields import Batch, Epochs, Part, Rate, Share, Within
from modelmark.attacks.weights._base import floats, pair

_PARALLEL = 0.9995
"""Cosine above which the arc between two tensors is a straight line, as in mergekit."""


class Merge(Collusion, family="merging"):
    """Merge the stolen model with a fine-tune of its published base: linear, slerp, arithmetic, ties, dare or dare-ties.

    The thief needs the base that the owner trained on from, and makes the other fine-tune on his own data. ``linear`` and
    ``slerp`` average the two networks, the others their differences to the base; ``arithmetic`` adds both, times ``scale``.

    Source: Yadav et al. 2023, arXiv 2306.01708 (TIES); Yu et al. 2024, arXiv 2311.03099 (DARE); Shoemake 1985 (slerp); Wortsman
    et al. 2022, arXiv 2203.05482 (linear); Ilharco et al. 2023, arXiv 2212.04089 (arithmetic).
    Departs: each tensor is trimmed by itself, as in mergekit, where TIES ranks all of a network; what DARE keeps is divided by
    the density, as in the paper, where mergekit gives it the sum of sizes it had; running statistics are averaged.
    """

    source = "Yadav et al. 2023, arXiv 2306.01708; Yu et al. 2024, arXiv 2311.03099"
    brings: ClassVar[Literal["copies", "base"]] = "base"
    strengths = (
        {"how": "linear"},
        {"how": "slerp"},
        {"how": "ties", "density": 0.5},
        {"how": "ties", "density": 0.2},
        {"how": "dare", "density": 0.3},
        {"how": "dare-ties", "density": 0.3},
        {"how": "arithmetic", "scale": 0.5},
    )

    how: Annotated[Literal["linear", "slerp", "arithmetic", "ties", "dare", "dare-ties"], "by which rule"] = "linear"
    share: Annotated[Share, "of the other fine-tune in the merged network"] = 0.5
    density: Annotated[Part, "of the differences that ties keeps, the largest, or dare, at random"] = 0.5
    scale: Annotated[float, Within(0, 2, open="low"), "what arithmetic multiplies the sum of both differences by"] = 0.7
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
            for name, value in floats(stolen):
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
        if self.how == "arithmetic":
            return base + self.scale * differences.sum(dim=0)
        weights = torch.tensor([1 - self.share, self.share]).to(one).view(2, *[1] * one.dim())
        if self.how == "ties":
            return base + ties(differences, weights, self.density)
        kept = torch.rand(differences.shape, generator=generator).to(one) < self.density
        rescaled = differences * kept / self.density
        if self.how == "dare-ties":
            return base + elected(weights * rescaled).sum(dim=0)
        return base + (weights * rescaled).sum(dim=0)


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
    agreed = elected(kept)
    return agreed.sum(dim=0) / (weights * (agreed != 0)).sum(dim=0).clamp(min=torch.finfo(kept.dtype).tiny)


def elected(weighted: Tensor) -> Tensor:
    """Return weighted differences without those whose sign weighs less, ``(networks, *shape)``."""
    return torch.where(weighted.sign() == weighted.sum(dim=0).sign(), weighted, 0)
