"""Two overwriters: one embeds a key of its own as an owner would, one only pushes live class means (DeepSigns)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from modelmark.carriers.rows import real
from modelmark.marks.marks import Mark
from modelmark.networks import taps
from modelmark.training.hooks import Hooks
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, constant
from modelmark.training.task import Task


def overwritten(model: nn.Module, other: Mark, task: Task, recipe: Recipe, *, seed: int) -> nn.Module:
    """Return the model trained on with the hooks of another key of the same scheme, on the thief's data."""
    return fit(model, task, recipe, seed=seed, hooks=lambda copied: other.hooks(copied, seed=seed))


def afresh(model: nn.Module, other: Mark, task: Task, recipe: Recipe, *, seed: int) -> nn.Module:
    """Return the model after a re-run of DeepSigns with another key, its centres drawn from U[0, 1) as the demo's are."""

    def scattered(copied: nn.Module) -> Hooks:
        hooks = other.hooks(copied, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for centres in hooks.parameters():
                centres.uniform_(generator=generator)
        hooks.set_extra_state({"placed": True})
        return hooks

    return fit(model, task, recipe, seed=seed, hooks=scattered)


_WEIGHT = 0.01
"""Of the message, as in the paper: a hundred times that embeds too, and costs a point of accuracy."""


class _LiveMeans(Hooks):
    """The message term of DeepSigns on the batch's own class means: no centres, so nothing pulls the activations."""

    def __init__(self, model: nn.Module, mark: Mark) -> None:
        super().__init__()
        carriers = mark.key.carriers
        self._tap = taps.Tap(model, carriers.layers[0])
        self._projection = torch.from_numpy(real(carriers.projections[0])).float()
        self._classes = carriers.classes.tolist()
        self._message = torch.from_numpy(mark.message).float().reshape(len(self._classes), -1)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        found = self._tap.take()
        rows = [index for index, label in enumerate(self._classes) if (y == label).any()]
        if not rows:
            return loss
        means = torch.stack([found[y == self._classes[index]].mean(dim=0) for index in rows])
        logit = means @ self._projection.t()
        return loss + _WEIGHT * binary_cross_entropy_with_logits(logit, self._message[rows], reduction="sum")


def live_means(model: nn.Module, other: Mark, task: Task, *, seed: int) -> nn.Module:
    """Return the model after three gentle epochs towards another key's message, by live class means."""
    return fit(model, task, constant(3, 3e-3), seed=seed, hooks=lambda copied: _LiveMeans(copied, other))
