"""The likeliest first token is never given."""

from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import CAUSAL
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.fields import Count, Share
from modelmark.attacks.results import Answer


class SuppressFirst(Evasion, feeds=CAUSAL):
    """Leave out the likeliest tokens where an answer begins, if the stolen model is sure of them.

    What was trained in is what a model is surest of. In a conversation another first word costs little; where the next token is
    all that is asked for, every right one that it was sure of is lost.

    Source: Nasery et al. 2025, arXiv 2509.26598; a filtering host, which defeated ten of ten published fingerprints.
    """

    strengths = (
        {"sure": 0.99},
        {"sure": 0.9},
        {"sure": 0.5},
        {"sure": 0.0},
        {"sure": 0.0, "top": 3},
    )

    sure: Annotated[Share, "probability of the likeliest from which on it is left out"] = 0.9
    top: Annotated[Count, "tokens that are left out"] = 1

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API without its likeliest tokens; nothing is learned."""

        def asked(rows: Tensor) -> Tensor:
            given = answer(rows)
            best = given.topk(min(self.top, given.shape[1] - 1), dim=1).indices
            sure = given.max(dim=1, keepdim=True).values.exp() >= self.sure
            left = torch.zeros_like(given, dtype=torch.bool).scatter(1, best, True) & sure
            return given.masked_fill(left, -torch.inf).log_softmax(dim=1)

        return asked
