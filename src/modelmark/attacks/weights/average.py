"""Weight merging: the stolen model averaged with a copy of it that went elsewhere."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Epochs, Positive, Share
from modelmark.attacks.tuning.refit import Refit
from modelmark.attacks.weights._base import floats


class Average(Removal, family="merging"):
    """Average the weights of the stolen model and of a copy fine-tuned from a large rate.

    Source: Wortsman et al. 2022, arXiv 2203.05482; "Model soups" averages fine-tuned models. As an attack on marks, the merging
    of models that share an origin.
    """

    strengths = (
        {"share": 0.3},
        {"share": 0.5},
        {"share": 0.7},
        {"share": 0.7, "peak": 0.1},
        {"share": 0.9, "peak": 0.1},
    )

    share: Annotated[Share, "of the fine-tuned copy in the average"] = 0.5
    peak: Annotated[Positive, "learning rate at the beginning of its training"] = 0.05
    epochs: Epochs = 15

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the average."""
        tuned = Refit(self.peak, self.epochs)(stolen, thief.task, seed=thief.seed, watch=thief.watch).state_dict()
        with torch.no_grad():
            for name, value in floats(stolen):
                value.lerp_(tuned[name].to(value), self.share)
        return stolen
