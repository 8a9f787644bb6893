"""The only training loop: attacks, host models and marks all go through it, with the same hooks as anybody's loop."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.errors import DivergedError
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.networks.layers import is_layer_normalised, is_normalised
from modelmark.networks.strides import channels_last, takes_channels_last
from modelmark.seeding import seeded
from modelmark.training.hooks import Hooks
from modelmark.training.recipe import Recipe, suggest
from modelmark.training.task import Task


@dataclass(frozen=True)
class Progress:
    """Where a training run stands after a step.

    Args:
        step: optimiser steps done.
        steps: optimiser steps in all.
        epoch_ended: whether this step was the last of an epoch.
        snapshot: a function that returns everything needed to go on from here; valid when an epoch ended.
    """

    step: int
    steps: int
    epoch_ended: bool
    snapshot: Callable[[], dict[str, Any]]


Watch = Callable[[Progress], None]
H = TypeVar("H", bound=Hooks)


def fit(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    hooks: Callable[[nn.Module], Hooks] = lambda copied: Hooks(),
    trainable: Callable[[str], bool] = lambda name: True,
    frozen_statistics: bool = False,
    resume: dict[str, Any] | None = None,
    watch: Watch | None = None,
) -> nn.Module:
    """Return the trained copy of ``run``, which has the same arguments."""
    return run(
        model, task, recipe, hooks,
        seed=seed, trainable=trainable, frozen_statistics=frozen_statistics, resume=resume, watch=watch,
    )[0]  # fmt: skip


def run(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    hooks: Callable[[nn.Module], H],
    *,
    seed: int,
    trainable: Callable[[str], bool] = lambda name: True,
    frozen_statistics: bool = False,
    resume: dict[str, Any] | None = None,
    watch: Watch | None = None,
) -> tuple[nn.Module, H]:
    """Return a trained copy of ``model``, in evaluation mode, on the device it was on, and the hooks it was trained with.

    Equal arguments give equal weights. The global generators are left as they were: dropout draws from a fork seeded
    with ``seed``.

    Args:
        model: where training starts.
        task: data; moved to the model's device if it is elsewhere.
        recipe: schedule and optimiser numbers.
        hooks: called with the copy that is trained, returns hooks for it.
        seed: of order, augmentation and dropout.
        trainable: which parameters, by state-dict path, the optimiser may change.
        frozen_statistics: keep running statistics of normalisation layers as they are, too.
        resume: a snapshot of an earlier, interrupted run with the same arguments.
        watch: called after every step.

    Raises:
        DivergedError: the loss became infinite or NaN.
    """
    model = copy.deepcopy(model)
    device = next(model.parameters()).device
    task = task.to(device)
    if recipe.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    held = [p for name, p in model.named_parameters() if p.requires_grad and not trainable(name)]
    for parameter in held:
        parameter.requires_grad_(False)
    made = hooks(model).to(device)
    state = _Run(model, made, recipe, seed, device)
    normalise = Normalise(task.feed)
    batch = min(recipe.batch, len(task.train_inputs))
    per_epoch = len(task.train_inputs) // batch
    steps = recipe.epochs * per_epoch

    with seeded(seed, device):
        if resume is not None:
            state.restore(resume)
        for epoch in range(state.step // per_epoch, recipe.epochs):
            _training_mode(model, frozen_statistics)
            order = torch.randperm(len(task.train_inputs), generator=state.generator).to(device)
            losses = torch.zeros((), device=device)
            for picked in order[: per_epoch * batch].split(batch):
                state.set_rate(recipe.rate(state.step / per_epoch))
                x = normalise(augment(task.train_inputs[picked], recipe, state.generator))
                if recipe.channels_last:
                    x = channels_last(x)
                x, y = made.batch(x, task.train_targets[picked])
                found = scored(model, x)
                loss = made.loss(cross_entropy(found, y), model, x[:batch], y[:batch], found)
                loss.backward()  # type: ignore[no-untyped-call]
                if recipe.clip:
                    nn.utils.clip_grad_norm_(state.trained, recipe.clip)
                state.optimizer.step()
                state.optimizer.zero_grad()
                state.step += 1
                losses += loss.detach()
                if state.step < steps:
                    made.after_step(model)
                ended = state.step % per_epoch == 0
                if ended and not torch.isfinite(losses):
                    raise DivergedError(
                        f"expected a finite loss, got {losses.item()} in epoch {epoch + 1}",
                        hint="lower the learning rate",
                    )
                if watch is not None:
                    watch(Progress(state.step, steps, ended, state.snapshot))
        made.finish(model)
    for parameter in held:
        parameter.requires_grad_(True)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return model.eval(), made


class _Run:
    """Everything that changes while training, so that it can be kept and put back."""

    def __init__(self, model: nn.Module, hooks: Hooks, recipe: Recipe, seed: int, device: torch.device) -> None:
        self.step = 0
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = _optimizer([{"params": self.trained}, *hooks.param_groups()], recipe)
        self._model = model
        self._hooks = hooks
        self._device = device

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def snapshot(self) -> dict[str, Any]:
        state = {
            "step": self.step,
            "model": self._model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hooks": self._hooks.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),
        }
        if self._device.type == "cuda":
            state["dropout_cuda"] = torch.cuda.get_rng_state(self._device)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        self._model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._hooks.load_state_dict(state["hooks"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["dropout"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["dropout_cuda"], self._device)
        self.step = int(state["step"])


def _optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    rate, decay, momentum = recipe.rate(0), recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.999), weight_decay=decay)
    nesterov = recipe.nesterov and momentum > 0
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=decay)


def augment(inputs: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a uint8 batch ``(B, C, H, W)`` cropped (one offset each) and mirrored (half of it), as the recipe says."""
    if recipe.augment == "none":
        return inputs
    count, _, height, width = inputs.shape
    pad = recipe.pad
    padded = nn.functional.pad(inputs, (pad, pad, pad, pad))
    shift = torch.randint(0, 2 * pad + 1, (2, count), generator=generator).to(inputs.device)
    rows = shift[0, :, None] + torch.arange(height, device=inputs.device)
    columns = shift[1, :, None] + torch.arange(width, device=inputs.device)
    if recipe.augment == "crop-flip":
        flip = torch.rand(count, generator=generator).to(inputs.device) < 0.5
        columns = torch.where(flip[:, None], columns.flip(1), columns)
    each = torch.arange(count, device=inputs.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def suggested(
    model: nn.Module,
    task: Task,
    *,
    trained: bool = False,
    epochs: int = 0,
    peak: float = 0.0,
    batch: int = 0,
    augment: str = "",
) -> Recipe:
    """Return the recipe that ``recipe.suggest`` has for this model and these data; whatever is given overrides its part.

    Inputs are cropped and mirrored where they are pictures ``(C, H, W)`` of at least 32 pixels along the shorter side.

    Args:
        model: whether batches or layers are normalised, and pictures go through with channels last, counts; its weights do not.
        task: what it learns from.
        trained: whether the model is trained already.
        epochs: passes over the data.
        peak: largest learning rate.
        batch: samples a step.
        augment: see ``Recipe``.
    """
    shape = task.feed.input_shape
    return suggest(
        samples=len(task.train_inputs),
        normalised=is_normalised(model),
        trained=trained,
        picture=len(shape) == 3 and min(shape[1:]) >= _PICTURE,
        layered=is_layer_normalised(model),
        channels_last=len(shape) == 3 and takes_channels_last(model, _example(task), weights=True),
        epochs=epochs,
        peak=peak,
        batch=batch,
        augment=augment,
    )


def _example(task: Task) -> torch.Tensor:
    return Normalise(task.feed)(task.train_inputs[:2])


_PICTURE = 32
"""Pixels on the shorter side from which on crops and mirroring keep what is seen."""


def _training_mode(model: nn.Module, frozen_statistics: bool) -> None:
    model.train()
    if frozen_statistics:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
