"""The head of a network that a ``field`` goes into: the linear layer whose outputs are the scores, and its edit."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.field import Fields
from modelmark.errors import MismatchError, UsageError
from modelmark.networks import layers, shards
from modelmark.networks.trainable import tied
from modelmark.training.hooks import Hooks

_OTHERWISE = "another head that computes the same: nn.Linear with a bias of zeros"


def head_of(model: nn.Module) -> tuple[str, nn.Linear]:
    """Return the head with its path.

    Raises:
        UsageError: it is no linear layer with a weight and a bias of its own, whole and of real numbers.
    """
    path = layers.head(model)
    module = layers.unwrapped(model).get_submodule(path)
    kind = type(module).__name__
    if not isinstance(module, nn.Linear) or module.bias is None:
        lacking = " without one" if isinstance(module, nn.Linear) else ""
        raise UsageError(f"expected a linear head with a bias to edit, {path} is {kind}{lacking}", hint=_OTHERWISE)
    for name in ("weight", "bias"):
        held: Any = module._parameters.get(name)
        if held is None:
            raise UsageError(
                f"expected a head with a {name} of its own to edit, that of {path} is computed from others",
                hint="undo the norm or the pruning first: torch.nn.utils.parametrize.remove_parametrizations, prune.remove",
            )
        if shards.is_cut(held):
            raise UsageError(
                f"expected a head that is whole, that of {path} is cut into pieces",
                hint="edit the network before it is cut, or what is saved of it",
            )
        if not held.is_floating_point() or held.is_meta:
            raise UsageError(f"expected a head of real numbers to edit, {path} has {held.dtype} on {held.device}")
    if table := tied(model, module.weight):
        raise UsageError(f"expected a head with weights of its own, those of {path} are the embedding's, {table}")
    return path, module


def require_head(model: nn.Module, carriers: Fields) -> nn.Linear:
    """Return the head of a model.

    Raises:
        MismatchError: it is not of the size that the key edits.
        UsageError: it cannot be edited.
    """
    _, module = head_of(model)
    if carriers.edit is None:
        raise UsageError("expected the edit of the head in the key, got carriers of an opening")
    if module.in_features + 1 != carriers.edit.shape[1]:
        raise MismatchError(
            f"expected a head that receives {carriers.edit.shape[1] - 1} numbers, got {module.in_features}"
        )
    if module.out_features != carriers.feed.classes:
        raise MismatchError(f"expected a head of {carriers.feed.classes} classes, got {module.out_features}")
    return module


def edit_head(model: nn.Module, carriers: Fields, message: npt.NDArray[np.int64]) -> None:
    """Add the field of a message to the head of a model, in place; numbers of a coarse type become the nearest."""
    module = require_head(model, carriers)
    assert carriers.edit is not None
    moved = torch.from_numpy(signs(carriers, message).T @ carriers.edit.astype(np.float64))
    with torch.no_grad():
        for parameter, move in ((module.weight, moved[:, :-1]), (module.bias, moved[:, -1])):
            parameter.copy_((parameter.double() + move.to(parameter.device)).to(parameter.dtype))


def signs(carriers: Fields, message: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the signs of a message, +1 and -1, ``(K, C)``."""
    return np.asarray((2.0 * message - 1).reshape(carriers.coordinates.shape[1], -1), np.float64)


class AtTheEnd(Hooks):
    """Training is left as it is; the head that it ends with is edited."""

    def __init__(self, carriers: Fields, message: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self._carriers, self._message = carriers, message

    def finish(self, model: nn.Module) -> None:
        """Edit the head."""
        edit_head(model, self._carriers, self._message)

    def margins(self, model: nn.Module) -> Tensor:
        """Return by how many deviations of all sums each sign shows as it should, ``(trials,)``."""
        return shown(model, self._carriers, self._message)


def shown(model: nn.Module, carriers: Fields, message: npt.NDArray[np.int64]) -> Tensor:
    """Return by how many deviations of all sums each sign shows as it should in a network, ``(trials,)``."""
    from modelmark.suspects.module import WhiteBox

    (probe,) = carriers.probes()
    sums = carriers.sums(WhiteBox(model).observe(probe)[0], nearer=True) * (2 * message - 1)
    return torch.from_numpy(sums / max(float(np.sqrt(np.square(sums, dtype=np.float64).mean())), 1.0))
