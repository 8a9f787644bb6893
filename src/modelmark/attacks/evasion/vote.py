"""Several language models answer together."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import CAUSAL
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _texts
from modelmark.attacks.fields import Count, Within
from modelmark.attacks.results import Answer


class Vote(Evasion, feeds=CAUSAL):
    """Let other language models have a say in each token: the mean of all, or only what all of them find likely.

    ``filter`` keeps a token of the stolen model only if it is among the ``top`` of every other one; where none is, the others'
    mean answers. The others are small models that the thief trains on his rows. With models as good as the stolen one, a thief
    loses less.

    Source: Fu et al. 2026, arXiv 2601.04261; token filter attack.
    Departs: the sentences of their second attack are not compared.
    """

    strengths = (
        {"how": "mean", "others": 1},
        {"how": "mean", "others": 3},
        {"how": "filter", "top": 64},
        {"how": "filter", "top": 16},
        {"how": "filter", "top": 4},
    )

    how: Annotated[Literal["mean", "filter"], "of all probabilities; or the stolen model's, filtered"] = "mean"
    others: Annotated[int, Within(1, 16), "models beside the stolen one"] = 2
    top: Annotated[Count, "tokens of each other model that the filter lets pass"] = 16
    epochs: _texts.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API of all together."""
        readers = [_texts.reader(thief, epochs=self.epochs, number=number) for number in range(self.others)]

        def asked(rows: Tensor) -> Tensor:
            given = answer(rows)
            theirs = torch.stack([_texts.continued(own, rows).to(given) for own in readers])
            if self.how == "mean":
                return torch.cat([given[None], theirs]).exp().mean(dim=0).log()
            least = theirs.topk(min(self.top, given.shape[1]), dim=2).values[:, :, -1:]
            passed = given.masked_fill(~(theirs >= least).all(dim=0), -torch.inf)
            none = passed.isneginf().all(dim=1, keepdim=True)
            return torch.where(none, theirs.exp().mean(dim=0).log(), passed)

        return asked
