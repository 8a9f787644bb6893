"""Linear layers as libraries know them, whatever a model calls its own."""

from torch import nn
from torch.nn.utils import skip_init

from modelmark.networks import layers


def linear(model: nn.Module) -> list[layers.Layer]:
    """Return the layers that are linear, those that hold their filters in columns too (``Conv1D`` of transformers)."""
    return [layer for layer in layers.markable(model) if layer.layout.role == "linear"]


def as_torchs(model: nn.Module, layer: layers.Layer) -> nn.Linear:
    """Return a layer of torch's own with the same weight, a copy: libraries pass by those that they do not know."""
    rows = layers.rows(model, layer).detach()
    size = {"in_features": rows.shape[1], "out_features": rows.shape[0], "bias": False}
    made = skip_init(nn.Linear, **size, device=rows.device, dtype=rows.dtype)  # draws nothing
    made.weight.data.copy_(rows)
    return made  # type: ignore[no-any-return]


def is_tied(model: nn.Module, layer: layers.Layer) -> bool:
    """Return whether the weight of a layer is another parameter of the model as well, as that of an embedding."""
    own = layers.weight(model, layer.path)
    names = [name for name, value in model.named_parameters(remove_duplicate=False) if value is own]
    return len(names) > 1
