"""The parts of a network at hand, its weights as arrays, and back."""

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from modelmark.blocks.description import Freedom, State, Transformer
from modelmark.blocks.finding import Traits, described
from modelmark.errors import UsageError
from modelmark.networks.layers import unwrapped


def of_network(model: nn.Module) -> Transformer | None:
    """Return the parts of a transformer, None of another network."""
    model = unwrapped(model)
    return described({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, _traits(model))


def require_known(transformer: Transformer) -> None:
    """Raise UsageError if the part of a weight is not known, so that what is changed may be read by it."""
    if transformer.unknown:
        raise UsageError(
            f"expected a transformer of which the part of every weight is known, got {transformer.unknown[0]}"
        )


def _traits(model: nn.Module) -> Traits:
    """Return what a network's modules and configuration say beside names and sizes."""
    modules = list(model.modules())
    config = getattr(model, "config", None)
    layers = [module for module in modules if isinstance(module, nn.TransformerEncoderLayer)]
    heads = _number(config, "num_attention_heads") or next(
        (number for module in modules for name in ("num_heads", "heads") if (number := _number(module, name))), 0
    )
    norms = [module for module in modules if isinstance(module, nn.LayerNorm)]
    return Traits(
        heads,
        _number(config, "head_dim"),
        None if not layers else not layers[0].norm_first,
        bool(norms),
        _freedom(config, layers),
        _tied(model),
    )


def _number(holder: Any, name: str) -> int:
    found = getattr(holder, name, 0)
    return found if isinstance(found, int) else 0


def _freedom(config: Any, layers: list[nn.TransformerEncoderLayer]) -> Freedom:
    """Return what factors of a hidden unit cancel, as far as it is said; none unless it is."""
    named = [getattr(config, name, "") for name in ("hidden_act", "activation_function", "activation")]
    if layers:
        named += [getattr(layers[0].activation, "__name__", type(layers[0].activation).__name__)]
    return "positive" if any(str(name).lower() == "relu" for name in named) else "none"


def _tied(model: nn.Module) -> dict[str, str]:
    """Return the names of parameters that are known by another name too, each with that."""
    first: dict[int, str] = {}
    found = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            found[name] = first[id(parameter)]
    return found


def arrays(model: nn.Module) -> dict[str, Any]:
    """Return a network's floating-point weights as float64; those of one tensor under each of its names."""
    state = unwrapped(model).state_dict()
    return {
        name: tensor.detach().cpu().double().numpy().copy()
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }


def loaded(model: nn.Module, state: State) -> nn.Module:
    """Return a copy of ``model`` with these weights, in evaluation mode; what shared a tensor and no longer can has its own.

    Args:
        model: read only.
        state: arrays by name; names that are left out stay as they are.
    """
    copied = copy.deepcopy(model)
    inner = unwrapped(copied)
    for other, name in _tied(inner).items():
        if name in state and other in state and not np.array_equal(state[name], state[other]):
            _part(inner, other)
    tensors = inner.state_dict()
    with torch.no_grad():
        for name, array in state.items():
            if tuple(tensors[name].shape) != array.shape:
                raise UsageError(f"expected {name} of {tuple(tensors[name].shape)}, got {array.shape}")
            tensors[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return copied.eval()


def _part(model: nn.Module, name: str) -> None:
    """Give a parameter that shares a tensor one of its own, and have the configuration say so."""
    path, _, last = name.rpartition(".")
    module = model.get_submodule(path)
    setattr(module, last, nn.Parameter(getattr(module, last).detach().clone()))
    config = getattr(model, "config", None)
    if config is not None and getattr(config, "tie_word_embeddings", False):
        config.tie_word_embeddings = False
