"""No answer of the stolen model to what does not read like the thief's texts."""

from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import ROWS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _nets, _texts
from modelmark.attacks.fields import sweep
from modelmark.attacks.results import Answer
from modelmark.feeds.causal import END
from modelmark.suspects.base import ABSTAIN


class FilterPerplexity(Evasion, feeds=ROWS):
    """Answer rows that a small model of the thief's own finds improbable without the stolen model.

    A classifier refuses them, a language model lets the small one go on, so that nobody sees a refusal. Thresholds are such that
    ``loss`` of the beginnings of the thief's held-out rows count as improbable, at each length. Prompts that nobody would type
    are filtered whole; those that are pieces of real text are not.

    Source: Nasery et al. 2025, arXiv 2509.26598; a filtering host, which defeated ten of ten published fingerprints; perplexity
    filters first in Jain et al. 2023, arXiv 2309.00614.
    """

    strengths = sweep(loss=(0.0, 0.01, 0.02, 0.05, 0.1))

    loss: Annotated[_nets.Loss, "share of the thief's held-out rows that may be filtered"] = 0.01
    epochs: _texts.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that filters."""
        shown, held = _nets.halves(thief.task, thief.seed)
        own = _texts.reader(Thief(shown, thief.seed, thief.watch), epochs=self.epochs)
        scores = _texts.surprises(own, held.train_inputs)
        harmed = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        limits = torch.tensor([_nets.threshold(at, harmed, self.loss) for at in scores.t()])
        limits[0] = torch.inf  # one token is no text
        causal = thief.task.feed.kind == "causal"

        def asked(rows: Tensor) -> Tensor:
            given = answer(rows)
            last = (rows != END).sum(dim=1, keepdim=True) - 1
            odd = (_texts.surprises(own, rows).gather(1, last) > limits.to(rows.device)[last])[:, 0].to(given.device)
            if not causal:
                return torch.where(odd, ABSTAIN, given)
            return torch.where(odd[:, None], _texts.continued(own, rows).to(given), given)

        return asked
