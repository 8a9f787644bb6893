"""Collusion: buyers whose copies carry different marks make one model of them."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from modelmark.attacks.fields import Copies, sweep
from modelmark.attacks.piracy._copies import Weightwise


class Collude(Weightwise, family="piracy"):
    """Combine copies with different marks, weight by weight.

    Averaging keeps the accuracy of copies that were marked from one host; copies trained from different initial weights do
    not line up, and their mean is worth nothing. In the digits audit the mean of two copies shows 38 of 100 triggers (``adi``),
    or 175 of 200 bits (``deepsigns``), at no loss of accuracy.

    Source: Chen et al. 2019, arXiv 1804.03648; the averaging attack of DeepMarks. The minimum, maximum and median of
    multimedia fingerprinting are in Wu et al. 2004, "Collusion-resistant fingerprinting for multimedia".
    """

    strengths = sweep(how=("mean", "median", "mix"))

    how: Annotated[
        Literal["mean", "median", "mix"],
        "the median of an even number is the mean of the middle two; mix takes each weight from a copy drawn at random",
    ] = "mean"
    copies: Copies = 2

    def of(self, stacked: Tensor, generator: torch.Generator) -> Tensor:
        """Return one tensor of all; see ``Weightwise``."""
        if self.how == "mean":
            return stacked.mean(dim=0)
        if self.how == "median":
            ordered = stacked.sort(dim=0).values
            return (ordered[(len(stacked) - 1) // 2] + ordered[len(stacked) // 2]) / 2
        picked = torch.randint(0, len(stacked), stacked.shape[1:], generator=generator).to(stacked.device)
        return stacked.gather(0, picked[None])[0]
