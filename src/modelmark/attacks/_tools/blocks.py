"""Blocks of a network that follow one another and could each be left out, and the heads of attention in them."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from modelmark.errors import UsageError
from modelmark.networks import layers

_HEADS = ("num_heads", "num_attention_heads", "n_heads", "heads", "nhead")
_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")


def stack(model: nn.Module) -> nn.ModuleList | nn.Sequential:
    """Return the longest list of modules of one type, such as the blocks of a transformer.

    Raises:
        UsageError: there is no list of two or more.
    """
    lists = [found for found in model.modules() if isinstance(found, nn.ModuleList | nn.Sequential) and len(found) > 1]
    alike = [found for found in lists if len({type(block) for block in found}) == 1 and list(found[0].parameters())]
    if not alike:
        raise UsageError("expected blocks that follow one another, such as a transformer's, got a model without")
    return max(alike, key=len)


def cut(model: nn.Module, blocks: nn.ModuleList | nn.Sequential, kept: list[int]) -> None:
    """Leave only some of the blocks in ``model``, in their order, and say so where its configuration counts them."""
    left = [blocks[index] for index in kept]
    for module in model.modules():
        for name, child in module.named_children():
            if child is blocks:
                setattr(module, name, type(blocks)(*([left] if isinstance(blocks, nn.ModuleList) else left)))
    for number, block in enumerate(left):
        for module in block.modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = number  # type: ignore[assignment]
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        for name in _COUNTS:
            if getattr(config, name, None) == len(blocks):
                setattr(config, name, len(left))
        types = getattr(config, "layer_types", None)
        if isinstance(types, list) and len(types) == len(blocks):
            config.layer_types = [types[index] for index in kept]


@dataclass(frozen=True)
class Attention:
    """Heads of one block.

    Args:
        path: of the layer that what they gave goes through, beside one another.
        heads: how many there are.
    """

    path: str
    heads: int

    def columns(self, model: nn.Module, like: Tensor | None = None) -> Tensor:
        """Return the weights that each head goes through, a view ``(out, heads, width)``; or of a tensor of their shape."""
        layer = layers.find(model, self.path)
        weight = layers.weight(model, layer.path) if like is None else like
        return weight.permute(layer.layout.order(weight.dim())).unflatten(1, (self.heads, -1))


def attentions(model: nn.Module) -> list[Attention]:
    """Return the attention of each block, found by the names of classes: the last layer in what is called attention.

    Raises:
        UsageError: there is none.
    """
    found, outer = [], ""
    for path, module in model.named_modules():
        named = "attention" in type(module).__name__.lower()
        if not named or (outer and path.startswith(f"{outer}.")):
            continue
        outer = path
        inside = layers.markable(module)
        heads = _heads(module) or _heads(model)
        if inside and heads > 1 and inside[-1].width % heads == 0:
            found.append(Attention(f"{path}.{inside[-1].path}" if path else inside[-1].path, heads))
    if not found:
        raise UsageError("expected attention of several heads, got a model without")
    return found


def _heads(model: nn.Module) -> int:
    """Return what a module, one in it, or its configuration says of heads; 0: nothing."""
    for module in model.modules():
        for holder in (module, getattr(module, "config", None)):
            for name in _HEADS:
                count = getattr(holder, name, None)
                if isinstance(count, int) and count > 0:
                    return count
    return 0
