"""Neural laundering: neurons that reconstructed triggers excite are reset, then the triggers are unlearned."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.activity import activity
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._masks import prune, units
from modelmark.attacks.cleansing._trigger import Stamping, Steps, Triggers, reconstruct
from modelmark.attacks.fields import Batch, Epochs, Positive, Rate, Share
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers


class Launder(Removal, family="cleansing", feeds=NUMBERS):
    """Reconstruct triggers, reset what they excite, unlearn them.

    Source: Aiken et al. 2021, arXiv 2004.11368; "Neural network laundering", Computers & Security 106.
    Departs: thresholds are shares of the activity of the layer's most active channel on clean data, so that they mean the
    same in every layer; activity is the mean positive part of a channel, after its batch norm if it has one; the channel that
    is excited least in a layer is always kept.
    """

    strengths = (
        {"dense": 0.8, "convolution": 0.4},
        {},
        {"dense": 0.3, "convolution": 0.2},
        {"dense": 0.3, "convolution": 0.2, "rate": 0.05},
        {"dense": 0.2, "convolution": 0.1, "rate": 0.05},
    )

    steps: Steps = 150
    dense: Annotated[Positive, "threshold for linear layers; their dt"] = 0.5
    convolution: Annotated[Positive, "threshold for convolutions; their ct"] = 0.3
    share: Annotated[Share, "of each batch that is stamped while fine-tuning"] = 0.5
    rate: Rate = 0.02
    epochs: Epochs = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the laundered model."""
        triggers = reconstruct(stolen, thief, self.steps)
        classes = torch.arange(len(triggers.masks), device=triggers.masks.device)
        clean = Normalise(thief.task.feed)(thief.task.train_inputs[:256]).to(classes.device)
        cuts = {}
        for path, raised in excited(stolen, clean, triggers).items():
            dense = isinstance(layers.unwrapped(stolen).get_submodule(path), nn.Linear)
            cuts[path] = raised > (self.dense if dense else self.convolution)
            cuts[path][raised.argmin()] = False
        return thief.tune(
            prune(stolen, cuts, biases=True), self, hooks=lambda copied: Stamping(triggers, classes, self.share)
        )


def excited(model: nn.Module, clean: Tensor, triggers: Triggers) -> dict[str, Tensor]:
    """Return how far the trigger that excites it most raises each channel, unit to ``(channels,)``.

    In units of the activity of the layer's most active channel on the clean inputs ``(N, *input_shape)``.
    """
    paths = units(model)
    before = activity(model, paths, clean)
    most = {path: torch.full_like(resting, -torch.inf) for path, resting in before.items()}
    for target in range(len(triggers.masks)):
        classes = torch.full((len(clean),), target, device=clean.device)
        for path, after in activity(model, paths, triggers.stamped(clean, classes)).items():
            most[path] = torch.maximum(most[path], after - before[path])
    return {path: raised / before[path].max().clamp(min=1e-12) for path, raised in most.items()}
