"""Which weights have hidden units as rows, one tensor an order of units: from a network's code, or from the names in a file.

An order of units is what a network could have in any other order and compute the same. Rows of a tensor are hidden units if
they are no outputs of the network, and its columns belong to another order than its rows. An order is looked at in the first
layer alone that makes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelmark.errors import MismatchError, UsageError
from modelmark.suspects.files import WeightFile

if TYPE_CHECKING:
    from torch import nn

_PERCEPTRONS = re.compile(
    r"(^|\.)\d+\..*\b(fc1|c_fc|up_proj|w1|wi|wi_1|lin1|linear1|dense_h_to_4h|intermediate\.dense|net\.0\.proj)\.weight$"
)
"""What the first layer of a perceptron in a numbered block of a transformer is called; of gated ones the one without the gate."""


@dataclass(frozen=True)
class Units:
    """Hidden units in one order.

    Args:
        layer: state-dict path whose weight has them as rows.
        wide: whether the rows are the longer side, however the file lays the matrix down; else they are the first axis.
    """

    layer: str
    wide: bool = False


def of_network(network: "nn.Module") -> list[Units]:
    """Return the orders of a network, followed through its code; of a transformer those of its perceptrons.

    Raises:
        UsageError: the channels cannot be followed.
        MismatchError: there is no hidden order.
    """
    from modelmark.blocks.networks import of_network as transformer  # which imports torch
    from modelmark.channels import trace

    if (described := transformer(network)) is not None:
        makers = [each.scaled[0] for block in described.blocks for each in block.units]
        return [Units(maker.weight.removesuffix(".weight"), wide=True) for maker in makers]
    channels, found = trace(network), dict[int, Units]()
    for junction in channels.junctions:
        own, axis = junction.output.axis, channels.axes[junction.output.axis]
        if junction.kind != "norm" and not axis.fixed and own not in found and junction.source.axis != own:
            found[own] = Units(junction.path)
    return _some(list(found.values()), "in this network")


def of_file(file: WeightFile, hidden: Sequence[str] = ()) -> list[Units]:
    """Return the orders that a person names, or those of a transformer's perceptrons by their names.

    Args:
        file: one's own.
        hidden: layers whose outputs are hidden units, of no two the same ones; a person who knows the network says so.

    Raises:
        MismatchError: the file has none of the names.
    """
    if hidden:
        if not all(hidden):
            raise UsageError("expected names of hidden layers, got an empty one")
        layers = [name.removesuffix(".weight") for name in hidden]
        if len(set(layers)) < len(layers):
            raise UsageError("expected different hidden layers, got one twice")
        if flat := [layer for layer in layers if len(file.shapes.get(f"{layer}.weight", (0, 0))) < 2]:
            raise MismatchError(f"expected hidden layers that are matrices or kernels, {flat[0]} is none")
        if unknown := [layer for layer in layers if f"{layer}.weight" not in file.shapes]:
            raise MismatchError(f"expected a layer {unknown[0]} in {file.path.name}, found none of that name")
        return [Units(layer) for layer in layers]
    names = [name for name in file.names if _PERCEPTRONS.search(name) and len(file.shapes[name]) == 2]
    return _some([Units(name.removesuffix(".weight"), wide=True) for name in names], f"by name in {file.path.name}")


def _some(found: list[Units], where: str) -> list[Units]:
    if not found:
        raise MismatchError(
            f"expected layers of hidden units {where}, found none",
            hint="name the code of the network (--arch NAME --data SPEC), or its hidden layers (--hidden LAYER)",
        )
    return found
