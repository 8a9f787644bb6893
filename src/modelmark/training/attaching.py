"""Terms of the loss that depend on weights alone, added to the gradients when an optimiser steps: no loss is changed.

A term whose slope is known in closed form needs no forward pass and no graph. It is added once for every step of the optimiser,
after accumulation, averaging over processes, unscaling and clipping: none of them sees it.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from modelmark.errors import UsageError
from modelmark.networks import layers, shards
from modelmark.training.hooks import Composed, Hooks


@runtime_checkable
class Sloped(Protocol):
    """Hooks whose ``loss`` adds a term of one layer's mean filter, with its slope in closed form."""

    @property
    def layer(self) -> layers.Layer:
        """The layer whose weight the term depends on."""
        ...

    def slope(self, mean: Tensor) -> Tensor:
        """Return the term's derivative by each filter, the same for all, ``(M,)``.

        Args:
            mean: of the layer's filters, ``(M,)``, on the device of the weight.
        """
        ...


class Adding:
    """The hook: adds the slopes before a step, or behind the closure that makes the gradients of one.

    Args:
        model: that is trained; its weights are looked up anew at every step, so that it may be moved, wrapped or cut into pieces.
        parts: what is added.
        optimizer: that steps.
        of: digest of the key, by which a mark that is attached twice is known.

    Raises:
        UsageError: a layer is frozen, or the optimiser does not have it.
    """

    def __init__(self, model: nn.Module, parts: Sequence[Sloped], optimizer: Optimizer, *, of: bytes = b"") -> None:
        self.model, self.of, self.steps = model, of, 0
        self._parts = parts
        self._known: dict[str, list[weakref.ref[Tensor]]] = {}
        for part in parts:
            self._parameters(part.layer, optimizer)

    def __call__(
        self, optimizer: Optimizer, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """See ``torch.optim.Optimizer.register_step_pre_hook``."""
        positional = len(args) > 1  # the optimiser comes first
        closure = args[1] if positional else named.get("closure")
        if closure is None:
            self.add(optimizer)
            return None
        wrapped = self._behind(closure, optimizer)
        return ((args[0], wrapped, *args[2:]), named) if positional else (args, named | {"closure": wrapped})

    def _behind(self, closure: Callable[[], Any], optimizer: Optimizer) -> Callable[[], Any]:
        def both() -> Any:
            found = closure()
            self.add(optimizer)
            return found

        return both

    @torch.no_grad()
    def add(self, optimizer: Optimizer) -> None:
        """Add every slope to its layer's gradient, scaled where the optimiser undoes the scale of gradients itself."""
        scale = getattr(optimizer, "grad_scale", None)
        for part in self._parts:
            parameters = self._parameters(part.layer, optimizer)
            weight = _weight(self.model, part.layer)
            slope = part.slope(shards.mean(weight, part.layer.layout))
            if scale is not None:
                slope = slope * scale.to(slope)
            if weight is parameters[0]:
                shards.add(_gradient(weight), slope, part.layer.layout)
            else:
                self._through(part.layer, slope, parameters)
        self.steps += 1

    def _through(self, layer: layers.Layer, slope: Tensor, parameters: list[nn.Parameter]) -> None:
        """Add a slope to what a weight is computed from."""
        with torch.enable_grad(), _resting(self.model, layer.path):
            rows = layers.rows(self.model, layer)
        each = slope.to(rows.dtype).view(layer.kernel).expand(rows.shape)
        found = torch.autograd.grad(rows, parameters, each, allow_unused=True)
        for parameter, added in zip(parameters, found, strict=True):
            if added is not None:
                _gradient(parameter).add_(added)

    def _parameters(self, layer: layers.Layer, optimizer: Optimizer) -> list[nn.Parameter]:
        """Return the parameters behind a layer's weight, the weight itself if it is one, and look that the optimiser has them."""
        found = _behind_weight(self.model, layer)
        known = self._known.get(layer.path)
        if known is not None and len(known) == len(found) and all(map(_is, known, found)):
            return found
        if not found:
            raise UsageError(
                "expected the marked layer to be trained, its weight is frozen",
                hint="unfreeze it (requires_grad_), or mark the weights when adapters are merged",
            )
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not all(id(parameter) in held for parameter in found):
            shards.settle(self.model)
            found = _behind_weight(self.model, layer)
            if not all(id(parameter) in held for parameter in found):
                raise UsageError(
                    "expected the marked layer among the optimiser's parameters, it is in none of its groups",
                    hint="attach to the optimiser that steps this layer, made after fully_shard where that is used",
                )
        self._known[layer.path] = [weakref.ref(parameter) for parameter in found]
        return found


def _is(reference: "weakref.ref[Tensor]", parameter: nn.Parameter) -> bool:
    return reference() is parameter


def _gradient(parameter: Tensor) -> Tensor:
    """Return the gradient of a parameter, zeros where it has none: a layer that the last passes did not use."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter, requires_grad=False)
    return parameter.grad


def _weight(model: nn.Module, layer: layers.Layer) -> Tensor:
    with _resting(model, layer.path):
        return layers.weight(model, layer.path)


def _behind_weight(model: nn.Module, layer: layers.Layer) -> list[nn.Parameter]:
    weight = _weight(model, layer)
    if isinstance(weight, nn.Parameter):
        return [weight] if weight.requires_grad else []
    return [parameter for parameter in _owner(model, layer.path).parameters() if parameter.requires_grad]


def _owner(model: nn.Module, path: str) -> nn.Module:
    """Return the module that has a layer's weight."""
    inner = layers.unwrapped(model)
    try:
        return inner.get_submodule(path)
    except AttributeError:
        return inner.get_submodule(path.rpartition(".")[0])


@contextmanager
def _resting(model: nn.Module, path: str) -> Iterator[None]:
    """Have what computes a weight change nothing of its own: spectral norms turn their vectors at every look while they train."""
    modes = {module: module.training for module in _owner(model, path).modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def stepping(optimizer: Any) -> Optimizer:
    """Return the optimiser that steps, inside what accelerate and Lightning wrap around it.

    Raises:
        UsageError: it is none, or one that makes its steps otherwise.
    """
    while isinstance(inner := getattr(optimizer, "optimizer", None), Optimizer):
        optimizer = inner
    name = f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
    if name.startswith("deepspeed."):
        raise UsageError("expected gradients beside their parameters, got DeepSpeed", hint="FSDP2 is supported")
    if not isinstance(optimizer, Optimizer) or not hasattr(optimizer, "_optimizer_step_pre_hooks"):
        raise UsageError(f"expected a torch.optim.Optimizer, got {name}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError(
            "expected an optimiser that needs gradients alone, got LBFGS, which compares losses",
            hint="add the mark's term to the loss: mark.hooks(model).loss",
        )
    return optimizer


def sloped(hooks: Hooks, *, scheme: str) -> list[Sloped]:
    """Return the parts that add a slope.

    Raises:
        UsageError: a part needs the batch, what a layer receives, or to act between steps.
    """
    found: list[Sloped] = []
    for part in parts_of(hooks):
        needs = next((what for name, what in _NEEDS.items() if overrides(part, name)), "")
        if overrides(part, "loss") and not isinstance(part, Sloped):
            needs = "what the network computes for a batch"
        if needs:
            raise UsageError(f"expected a mark that depends on weights alone, {scheme} needs {needs}", hint=_INSTEAD)
        if isinstance(part, Sloped):
            found.append(part)
    return found


_NEEDS = {
    "change": "to change batches",
    "extra": "samples in the batch",
    "after_step": "to act between steps",
}
_INSTEAD = (
    "mark.hooks(model) in the loop; or, where only samples are appended, mark.collator(...) or mark.mixed(dataset)"
)


def parts_of(hooks: Hooks) -> list[Hooks]:
    """Return the hooks that several are composed of, those alone that are not composed."""
    if isinstance(hooks, Composed):
        return [leaf for part in hooks.parts for leaf in parts_of(part)]
    return [hooks]


def overrides(hooks: Hooks, name: str) -> bool:
    """Return whether hooks do something at a place."""
    return getattr(type(hooks), name) is not getattr(Hooks, name)


def whole(model: nn.Module) -> None:
    """Raise UsageError where weights are kept in one flat row, as FSDP1 and DeepSpeed do."""
    for module in model.modules():
        name = f"{type(module).__module__}.{type(module).__qualname__}"
        if name.startswith("torch.distributed.fsdp.") and name.endswith(".FullyShardedDataParallel"):
            raise UsageError(
                "expected weights with their shapes, FSDP1 keeps them flat", hint="fully_shard is supported"
            )
        if name.startswith("deepspeed."):
            raise UsageError("expected weights beside their gradients, got DeepSpeed", hint="FSDP2 is supported")
