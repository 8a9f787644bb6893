"""Low-rank compression: every layer keeps its largest singular values."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.weights import rewritten
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Part, sweep


class LowRank(Removal, family="compression"):
    """Replace every weight, flattened to ``out x (in height width)``, by its best approximation of lower rank.

    Source: Denton et al. 2014, arXiv 1404.0736; compression by singular values.
    """

    strengths = sweep(rank=(0.8, 0.6, 0.4, 0.3, 0.2))

    rank: Annotated[Part, "that is kept, as a share of the full rank; at least 1 stays"] = 0.6

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the compressed model; neither data nor chance takes part."""
        return rewritten(stolen, self._approximated)

    def _approximated(self, weight: Tensor) -> Tensor:
        u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        kept = max(round(self.rank * len(s)), 1)
        return (u[:, :kept] * s[:kept] @ v[:kept]).view_as(weight)
