"""Neural Cleanse by unlearning: triggers are reconstructed, and the model is taught the right labels on them."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._trigger import Stamping, Steps, reconstruct
from modelmark.attacks.fields import Batch, Epochs, Rate, Share


class CleanseUnlearn(Removal, family="cleansing", feeds=NUMBERS):
    """Reconstruct triggers (Neural Cleanse), then unlearn them.

    The model is fine-tuned on inputs of which a share carries a trigger, all with the thief's labels.

    Source: Wang et al. 2019, IEEE S&P; "Neural Cleanse", section VI.C.
    Departs: where no class stands out, the smallest trigger is unlearned: a thief knows that there is a mark; more than one
    epoch. ``every`` unlearns the triggers of all classes, since marks such as trigger sets have one for each.
    """

    strengths = (
        {"rate": 0.005},
        {},
        {"every": True},
        {"every": True, "rate": 0.05, "share": 0.3},
        {"every": True, "rate": 0.1, "share": 0.3, "epochs": 10},
    )

    steps: Steps = 150
    every: Annotated[bool, "use the triggers of all classes, not only of those that stand out"] = False
    share: Annotated[Share, "of each batch that is stamped"] = 0.2
    rate: Rate = 0.02
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model."""
        triggers = reconstruct(stolen, thief, self.steps)
        classes = torch.arange(len(triggers.masks)).to(triggers.masks.device) if self.every else triggers.suspicious()
        return thief.tune(stolen, self, hooks=lambda copied: Stamping(triggers, classes, self.share))
