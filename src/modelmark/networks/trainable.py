"""What cannot be marked by training is refused before training starts: no weights yet, none that are trained, none of its own."""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from modelmark.errors import UsageError
from modelmark.networks import layers


def require_sizes(model: nn.Module) -> None:
    """Raise UsageError if the size of a layer is not known yet: a lazy module that never ran."""
    named = layers.unwrapped(model).named_parameters()
    if lazy := next((name for name, parameter in named if is_lazy(parameter)), ""):
        raise UsageError(
            f"expected layers of known sizes, {lazy} takes its own from the first input", hint="run the model once"
        )


def require_weights(model: nn.Module) -> None:
    """Raise UsageError if a model has no numbers yet, of which some are trained: lazy modules, the meta device, all frozen."""
    require_sizes(model)
    named = dict(layers.unwrapped(model).named_parameters())
    if empty := next((name for name, parameter in named.items() if parameter.is_meta), ""):
        raise UsageError(
            f"expected a model with weights, {empty} is on the meta device, which holds no numbers",
            hint="load weights, or model.to_empty(device=...) and initialise them",
        )
    if not any(parameter.requires_grad for parameter in named.values()):
        raise UsageError(
            "expected a model with weights that are trained, all are frozen", hint="model.requires_grad_(True)"
        )


def require_trainable(model: nn.Module, path: str) -> None:
    """Raise UsageError unless training can turn the weights of a layer, and turns nothing else with them.

    Args:
        model: may be wrapped.
        path: of the layer, as ``layers.find`` knows it.
    """
    with torch.enable_grad():
        weight = layers.weight(model, path)
    if not weight.is_floating_point():
        kind = str(weight.dtype).removeprefix("torch.")
        raise UsageError(
            f"expected weights of real numbers in {path}, got {kind}: they are quantised",
            hint="mark the network before it is quantised; its mark is read afterwards, too",
        )
    if not weight.requires_grad:
        raise UsageError(
            f"expected a layer that is trained, {path} is frozen", hint="requires_grad_(True), or --set layer=ANOTHER"
        )
    if table := tied(model, weight):
        raise UsageError(
            f"expected a layer with weights of its own, those of {path} are the embedding's, {table}",
            hint="name another: --set layer=...",
        )


def tied(model: nn.Module, weight: Tensor) -> str:
    """Return the path of the embedding whose table a layer's weights are, an empty word if there is none."""
    tables = (
        (name, module) for name, module in layers.unwrapped(model).named_modules() if isinstance(module, nn.Embedding)
    )
    return next((name for name, table in tables if table.weight is weight), "")
