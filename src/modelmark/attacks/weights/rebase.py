"""Back to the base: the thief knows the published network, and keeps of the difference to it what he thinks was learned."""

from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Collusion, Thief
from modelmark.attacks.fields import Part
from modelmark.attacks.weights._base import pair
from modelmark.networks import layers


class Rebase(Collusion, family="merging"):
    """Cut down the difference to the published base: towards it, to its largest entries, or to a low rank.

    What the owner learned and what the mark added stand in the same difference. Where the owner learned nothing, the base is
    the unmarked network, and whoever has that has no need of a copy.

    Source: own construction; trimmed as in Yadav et al. 2023, arXiv 2306.01708, of low rank as in Hu et al. 2022.
    """

    brings: ClassVar[Literal["copies", "base"]] = "base"
    strengths = (
        {"how": "shrink", "keep": 0.5},
        {"how": "trim", "keep": 0.3},
        {"how": "rank", "keep": 0.2},
        {"how": "trim", "keep": 0.1},
        {"how": "rank", "keep": 0.05},
    )

    how: Annotated[
        Literal["shrink", "trim", "rank"],
        "every difference is multiplied, the largest of each layer stay, or the largest singular values do",
    ] = "trim"
    keep: Annotated[Part, "the factor, the share of entries, or of the full rank; at least one stays"] = 0.2

    def combine(self, copies: list[nn.Module], thief: Thief) -> nn.Module:
        """Return the model with smaller differences in its convolution and linear layers; neither data nor chance takes part.

        Raises:
            UsageError: not a stolen model and its base.
        """
        stolen, base = pair(copies)
        with torch.no_grad():
            for layer in layers.markable(stolen):
                weight = layers.weight(stolen, layer.path)
                start = layers.weight(base, layer.path).to(weight)
                weight.copy_(start + self._kept(weight - start))
        return stolen

    def _kept(self, difference: Tensor) -> Tensor:
        if self.how == "shrink":
            return self.keep * difference
        if self.how == "trim":
            sizes = difference.abs().flatten().sort(descending=True).values
            least = sizes[max(round(self.keep * len(sizes)), 1) - 1]
            return torch.where(difference.abs() >= least, difference, 0)
        u, s, v = torch.linalg.svd(difference.flatten(1), full_matrices=False)
        kept = max(round(self.keep * len(s)), 1)
        return (u[:, :kept] * s[:kept] @ v[:kept]).view_as(difference)
