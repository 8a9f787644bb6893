"""Neural laundering: neurons that reconstructed triggers excite are reset, then the triggers are unlearned."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark import layers
from modelmark.attacks._tools.activity import activity
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._masks import pruned, units
from modelmark.attacks.cleansing._trigger import Stamping, Triggers, reconstruct
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.preprocess import Normalise
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Launder(Attack):
    """Reset to zero what the reconstructed triggers of all classes excite beyond a threshold, then fine-tune on stamped data.

    Source: Aiken et al. 2021, "Neural network laundering", Computers & Security 106, arXiv 2004.11368.
    Departs: thresholds are shares of the activity of the layer's most active channel on clean data, so that they mean the
    same in every layer; activity is the mean positive part of a channel, after its batch norm if it has one; the channel that
    is excited least in a layer is always kept.

    Args:
        steps: of the reconstruction.
        dense: threshold for linear layers, above 0; their dt.
        convolution: threshold for convolutions, above 0; their ct.
        share: of each batch that is stamped while fine-tuning.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.
    """

    name: ClassVar[str] = "launder"
    summary: ClassVar[str] = "reconstruct triggers, reset what they excite, unlearn them"
    source: ClassVar[str] = "Aiken et al. 2021, arXiv 2004.11368"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"dense": 0.8, "convolution": 0.4},
        {},
        {"dense": 0.3, "convolution": 0.2},
        {"dense": 0.3, "convolution": 0.2, "rate": 0.05},
        {"dense": 0.2, "convolution": 0.1, "rate": 0.05},
    )

    steps: int = 150
    dense: float = 0.5
    convolution: float = 0.3
    share: float = 0.5
    rate: float = 0.02
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate, share=self.share)
        if self.steps < 1:
            raise ValueError(f"expected at least one step, got {self.steps}")
        if not (0 < self.dense < float("inf") and 0 < self.convolution < float("inf")):
            raise ValueError(f"expected thresholds above 0, got {self.dense} and {self.convolution}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the laundered copy."""
        triggers = reconstruct(model, task, steps=self.steps, seed=seed)
        classes = torch.arange(task.interface.classes, device=triggers.masks.device)
        clean = Normalise(task.interface)(task.train_inputs[:256]).to(classes.device)
        cuts = {}
        for path, raised in excited(model, clean, triggers).items():
            dense = isinstance(layers.unwrapped(model).get_submodule(path), nn.Linear)
            cuts[path] = raised > (self.dense if dense else self.convolution)
            cuts[path][raised.argmin()] = False
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(
            pruned(model, cuts, biases=True), task, recipe, seed=seed, watch=watch,
            embedding=lambda copied: Stamping(triggers, classes, self.share),
        )  # fmt: skip


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
