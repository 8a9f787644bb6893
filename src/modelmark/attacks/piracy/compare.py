"""Comparison: buyers look where their copies differ, and choose what stands there."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from modelmark.attacks.fields import Copies, sweep
from modelmark.attacks.piracy._copies import Weightwise


class Compare(Weightwise, family="piracy"):
    """Where copies differ, write what none of them holds, or what few of them do.

    Copies of one network whose marks push every weight up or down by one amount differ by twice that amount, and the middle
    between the largest and the smallest is the unmarked weight wherever two copies disagree: with k copies, of all but one
    weight in 2^(k-1). Marks whose pushes differ in size, as some bits of ``spread`` do, leave a little more. A value past the
    range, the side of the minority, or a copy reflected at the mean carries the marks with the other sign.

    Source: Wu et al. 2004, "Collusion-resistant fingerprinting for multimedia"; the attacks by minimum, maximum and both
    together, and the randomised ones, on weights instead of pixels.
    """

    strengths = sweep(how=("middle", "random", "reflect", "minority", "beyond"))

    how: Annotated[
        Literal["middle", "random", "reflect", "minority", "beyond"],
        "middle of the range; random in it; a copy drawn at random, reflected at the mean; the end that fewer copies are near; "
        "or past either end by the range",
    ] = "middle"
    copies: Copies = 2

    def of(self, stacked: Tensor, generator: torch.Generator) -> Tensor:
        """Return one tensor of all; see ``Weightwise``."""
        low, high = stacked.amin(dim=0), stacked.amax(dim=0)
        middle = torch.lerp(low, high, 0.5)
        drawn = torch.rand(middle.shape, generator=generator).to(middle)
        if self.how == "middle":
            return middle
        if self.how == "random":
            return torch.lerp(low, high, drawn)
        if self.how == "reflect":
            picked = (drawn * len(stacked)).long().clamp(max=len(stacked) - 1)
            return 2 * stacked.mean(dim=0) - stacked.gather(0, picked[None])[0]
        if self.how == "minority":
            above = (stacked > middle).sum(dim=0) * 2.0
            few = torch.where(above == len(stacked), drawn < 0.5, above < len(stacked))
            return torch.where(few, high, low)
        return torch.where(drawn < 0.5, 2 * low - high, 2 * high - low)
