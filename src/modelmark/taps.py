"""What a layer receives, recorded while the model runs: its ``forward`` needs no change and the model no wrapper."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from modelmark import layers
from modelmark.errors import MismatchError


class Tap:
    """The input of one layer at the model's latest forward pass; detached from the model when it is no longer used.

    Args:
        model: left as it is, but for the hook.
        path: state-dict path of a module that is called once a forward pass, with one tensor.

    Raises:
        MismatchError: the model has no such module.
    """

    def __init__(self, model: nn.Module, path: str) -> None:
        try:
            module = layers.unwrapped(model).get_submodule(path)
        except AttributeError:
            raise MismatchError("expected the layer that the key marks, this model has none of that name") from None
        self._value: Tensor | None = None
        handle = module.register_forward_pre_hook(_Recorder(self))
        weakref.finalize(self, handle.remove)

    def take(self) -> Tensor:
        """Return what the layer received last, ``(N, M)`` with everything but the first axis flattened, once.

        Raises:
            MismatchError: the model has not run since, or does not use the layer.
        """
        value, self._value = self._value, None
        if value is None:
            raise MismatchError("expected a forward pass through the marked layer, the model made none")
        return value.flatten(1)

    def clear(self) -> None:
        """Forget what the layer received."""
        self._value = None

    def record(self, value: Tensor) -> None:
        """Keep what the layer just received."""
        self._value = value


class _Recorder:
    """The hook. A copy of the model, deep or pickled, carries one that records nothing."""

    def __init__(self, tap: Tap | None = None) -> None:
        self._tap = None if tap is None else weakref.ref(tap)

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        tap = None if self._tap is None else self._tap()
        if tap is not None:
            tap.record(args[0])

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Recorder":
        return _Recorder()

    def __reduce__(self) -> tuple[type["_Recorder"], tuple[()]]:
        return _Recorder, ()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put every module in evaluation mode without gradients, and back into the mode it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        for module, training in modes.items():
            module.training = training


def activations(model: nn.Module, path: str, inputs: Tensor, *, batch: int = 256) -> Tensor:
    """Return what the layer at ``path`` receives for each input in evaluation mode, ``(N, M)``, on the model's device.

    Args:
        model: left as it was.
        path: state-dict path of the layer.
        inputs: as ``forward`` takes them, ``(N, *input_shape)``.
        batch: inputs a pass.
    """
    device = next(model.parameters()).device
    tap = Tap(model, path)
    found = []
    with evaluating(model):
        for part in inputs.split(batch):
            model(part.to(device))
            found.append(tap.take())
    return torch.cat(found)
