"""Neural Cleanse by pruning: the features that a reconstructed trigger excites are cut off from the head."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._trigger import Steps, reconstruct
from modelmark.attacks.fields import Batch, Epochs, Rate, Share
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.training.hooks import Hooks


class CleansePrune(Removal, family="cleansing", feeds=NUMBERS):
    """Reconstruct triggers (Neural Cleanse), then cut what they excite and fine-tune.

    The features before the head whose activation rises most are cut by zeroing their weights in the head, where they stay zero.

    Source: Wang et al. 2019, IEEE S&P; "Neural Cleanse", section VI.B. The fixed share and the fine-tuning: Lukas et al. 2022,
    arXiv 2108.04974.
    Departs: where no class stands out, the smallest trigger is taken; a fixed share is cut instead of as much as stops the
    trigger.
    """

    strengths = (
        {"amount": 0.02},
        {"amount": 0.1},
        {"amount": 0.3},
        {"amount": 0.6},
        {"amount": 0.9, "rate": 0.05},
    )

    steps: Steps = 150
    amount: Annotated[Share, "of the features to cut"] = 0.1
    rate: Rate = 0.01
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model whose head ignores some features."""
        triggers = reconstruct(stolen, thief, self.steps)
        clean = Normalise(thief.task.feed)(thief.task.train_inputs[:1000]).to(triggers.masks.device)
        before = features(stolen, clean)
        raised = torch.stack([
            features(stolen, triggers.stamped(clean, suspect.expand(len(clean)))) - before
            for suspect in triggers.suspicious()
        ]).amax(dim=0)  # fmt: skip
        cut = _Cut(raised.argsort(descending=True)[: round(self.amount * len(raised))])
        cut.after_step(stolen)
        return thief.tune(stolen, self, hooks=lambda copied: cut)


def features(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the mean activation of each feature that the head receives, ``(features,)``."""
    head = layers.head(model)
    width = layers.weight(model, head).shape[1]
    return taps.activations(model, head, inputs).view(len(inputs), width, -1).mean(dim=(0, 2))


class _Cut(Hooks):
    """Cuts features off from the head, and keeps them so."""

    def __init__(self, cut: Tensor) -> None:
        super().__init__()
        self._features = cut

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Cut them again."""
        layers.weight(model, layers.head(model))[:, self._features] = 0

    finish = after_step
