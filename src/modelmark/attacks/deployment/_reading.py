"""What a deployed file holds, put back into the network that it was made from; tensors are known by their values.

Names are gone in half of the formats. The thief needs none: he has the network that he gave to the exporter.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelmark.errors import UsageError
from modelmark.networks import layers
from modelmark.suspects.files import WeightFile
from modelmark.suspects.files.dtypes import is_real, widened
from modelmark.suspects.torching import tensor

_ALIKE = 0.3
"""Cosine that the weights of a layer have at least with what they are taken for, also where they have three values left."""
_NEAR = 0.05
"""How far a vector may be from what it is taken for, in its norm."""


def put_back(model: nn.Module, file: WeightFile) -> None:
    """Write the tensors of a file over the weights that they were made from, in place.

    Args:
        model: with batch norm folded where the file has it folded.
        file: that was written of it.

    Raises:
        UsageError: the file has nothing like one of the layers.
    """
    found = {name: _numbers(file, name) for name, shape in file.shapes.items() if shape}
    held = [values for values in found.values() if values is not None]
    with torch.no_grad():
        for layer in layers.places(model):
            weight = layers.weight(model, layer.path)
            rows = weight.permute(layer.layout.order(weight.dim()))  # a view, of stacked matrices too
            nearest = _most_alike(rows.reshape(layer.filters, -1), held)
            if nearest is None and rows.any():
                raise UsageError(f"expected the weights of {layer.path} in the {file.what}, found none like them")
            if nearest is not None:
                rows.copy_(nearest.reshape(rows.shape))
        for value in model.parameters():
            near = [each for each in held if each.shape == value.shape and _far(each, value) < _NEAR]
            if value.dim() == 1 and near:
                value.copy_(min(near, key=lambda each: _far(each, value)))


def _numbers(file: WeightFile, name: str) -> Tensor | None:
    array = file.tensor(name)
    return tensor(widened(array)) if is_real(array.dtype) and array.size else None


def _most_alike(wanted: Tensor, held: list[Tensor]) -> Tensor | None:
    """Return the tensor that has the largest cosine with some filters, ``(filters, M)``, in their shape."""
    best, most = None, _ALIKE
    for each in held:
        for rows in _turns(each, *wanted.shape):
            alike = float(functional.cosine_similarity(rows.to(wanted).flatten(), wanted.flatten(), dim=0))
            if alike > most:
                best, most = rows, alike
    return best


def _turns(each: Tensor, filters: int, width: int) -> Iterator[Tensor]:
    """Yield a tensor of filters with those of its first axis as rows, and those of its last."""
    if each.numel() != filters * width:
        return
    if each.shape[0] == filters:
        yield each.reshape(filters, width)
    if each.shape[-1] == filters:
        yield each.movedim(-1, 0).reshape(filters, width)


def _far(each: Tensor, wanted: Tensor) -> float:
    size = float(wanted.norm())
    return float((each.to(wanted) - wanted).norm()) / size if size else float("inf")
