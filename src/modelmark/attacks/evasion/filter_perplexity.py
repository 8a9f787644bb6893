"""No answer of the stolen model to what does not read like the thief's texts."""

from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import ROWS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _nets, _texts
from modelmark.attacks.fields import Count, sweep
from modelmark.attacks.results import Answer
from modelmark.feeds.causal import END
from modelmark.suspects.base import ABSTAIN


class FilterPerplexity(Evasion, feeds=ROWS):
    """Answer rows that a small model of the thief's own finds improbable without the stolen model.

    A classifier refuses them, a language model lets the small one go on, so that nobody sees a refusal. The threshold is such
    that ``loss`` of the thief's held-out rows count as improbable. Prompts that nobody would type are filtered whole; those that
    read like any other text are not.

    Source: Nasery et al. 2025, arXiv 2509.26598; a filtering host, which defeated ten of ten published fingerprints; perplexity
    filters first in Jain et al. 2023, arXiv 2309.00614.
    """

    strengths = sweep(loss=(0.0, 0.01, 0.02, 0.05, 0.1))

    loss: Annotated[_nets.Loss, "share of the thief's held-out rows that may be filtered"] = 0.01
    least: Annotated[Count, "tokens that a row must have to be judged"] = 4
    epochs: _texts.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that filters."""
        shown, held = _nets.halves(thief.task, thief.seed)
        own = _texts.reader(Thief(shown, thief.seed, thief.watch), epochs=self.epochs)
        scores = _texts.surprise(own, held.train_inputs)
        limit = _nets.threshold(scores, torch.ones_like(scores, dtype=torch.bool), self.loss)
        causal = thief.task.feed.kind == "causal"

        def asked(rows: Tensor) -> Tensor:
            given = answer(rows)
            long = (rows != END).sum(dim=1) >= self.least
            odd = ((_texts.surprise(own, rows) > limit) & long).to(given.device)
            if not causal:
                return torch.where(odd, ABSTAIN, given)
            return torch.where(odd[:, None], _texts.continued(own, rows).to(given), given)

        return asked
