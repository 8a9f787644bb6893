"""Which layer of a transformer bears a mark that is read from the mean over its filters, and what to say where none does.

Nothing in a transformer stays where it is: heads, hidden units and the stream change places for nothing, and alignment to the
committed host undoes that. One thing it cannot undo: LayerNorm takes the mean over the stream away, and that is the mean over
the filters of all that writes into the stream. Whoever subtracts it from those layers changes no answer and leaves no mark.
Factors of units, below zero too beside a gate, move the mean filter of what makes the units, and never that of the gate.
"""

from typing import TYPE_CHECKING

from modelmark.blocks.description import Linear, Transformer

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer

MOVABLE = (
    "heads, hidden units and the stream of a transformer take any order for nothing, which moves the mark; "
    "with --host the key is read through that"
)
THROWN_AWAY = (
    "LayerNorm throws away the mean over the filters of {layer}, which carries this mark: subtracting it costs a thief nothing, "
    "and nothing brings it back; take spread, or a layer of the kind of {other}"
)


def transformer(model: "nn.Module") -> Transformer | None:
    """Return the parts of a transformer, None of another network."""
    from modelmark.blocks.networks import of_network

    return of_network(model)


def steady(model: "nn.Module", *, least: int) -> "Layer | None":
    """Return the first layer of a transformer whose mean filter no symmetry reaches that alignment does not undo.

    That is what makes hidden units out of the stream, the gate where there is one: its outputs have no factors of their own. In
    networks too narrow for it, what reads the hidden units, unless LayerNorm throws its mean away.

    Args:
        model: of any kind.
        least: weights of a filter that a mark needs.

    Returns:
        None of another network, and where there is no such layer.
    """
    described = transformer(model)
    if described is None:
        return None
    units = [each for block in described.blocks for each in block.units]
    wanted = [maker for each in units for maker in each.makers if maker not in each.scaled or each.freedom == "none"]
    wanted += [maker for each in units for maker in each.makers if each.freedom == "positive"]
    if not described.centred:
        wanted += [reader for each in units for reader in each.readers]
    known = _layers(model)
    fitting = (known[linear.weight] for linear in wanted if linear.weight in known)
    return next((layer for layer in fitting if layer.width >= least), None)


def cautions(model: "nn.Module", layer: str, *, host: bool) -> list[str]:
    """Return what speaks against a mark in the mean filter of a layer, a line at most.

    Args:
        model: of any kind.
        layer: path.
        host: whether the key commits to a host, to which suspects can be aligned.
    """
    described = transformer(model)
    if described is None:
        return []
    if described.centred and layer in map(_path, _written(described)):
        other = _path(described.blocks[0].units[0].makers[0])
        return [THROWN_AWAY.format(layer=layer, other=other)]
    return movable(model, host=host)


def movable(model: "nn.Module", *, host: bool) -> list[str]:
    """Return that a mark in a transformer is moved for nothing, where no host is committed that would undo it."""
    return [] if host or transformer(model) is None else [MOVABLE]


def _written(described: Transformer) -> list[Linear]:
    """Return what writes into a stream from which LayerNorm takes the mean."""
    parts = [part for part in described.parts if part is not described.outside or part.norms]
    return [linear for part in parts for linear in part.writers]


def _layers(model: "nn.Module") -> "dict[str, Layer]":
    """Return the layers that can be marked before the head, by the names of their weights."""
    from modelmark.networks import layers

    return {f"{layer.path}.weight": layer for layer in layers.markable(model)[:-1]}


def _path(linear: Linear) -> str:
    return linear.weight.removesuffix(".weight")
