"""The filters of the marked layer, whole, for terms of the loss that need them all."""

from torch import Tensor, nn

from modelmark.errors import UsageError
from modelmark.networks import layers, shards


def whole(model: nn.Module, layer: layers.Layer) -> Tensor:
    """Return the filters of a layer, ``(L, M)``, with their graph.

    Raises:
        UsageError: the weight lies in pieces in several processes.
    """
    weight = layers.rows(model, layer)
    if shards.is_cut(weight):
        raise UsageError("expected a whole weight for a term of the loss, this one is cut between processes")
    return weight.flatten(1)
