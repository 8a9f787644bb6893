"""What a layer receives, recorded while the model runs: its ``forward`` needs no change and the model no wrapper."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from modelmark.errors import MismatchError
from modelmark.networks import layers
from modelmark.networks.calling import call
from modelmark.suspects.places import Place, Role, chosen

MOST_RECEIVED = 2**27
"""Numbers that all candidates for a place receive together; half a gigabyte."""


class Reached(Exception):  # noqa: N818
    """A forward pass came to the layer that it was made for."""


class Tap:
    """The input of one layer at the model's latest forward pass; detached from the model when it is no longer used.

    Args:
        model: left as it is, but for the hook.
        path: state-dict path of a module that is called once a forward pass; its first floating tensor is what it receives.
        last: whether the forward pass ends there, with ``Reached``; what comes after is not computed.
        looking: whether passes without gradients count; a step of training is none of those, and somebody may look on its way.

    Raises:
        MismatchError: the model has no such module.
    """

    def __init__(self, model: nn.Module, path: str, *, last: bool = False, looking: bool = False) -> None:
        try:
            module = layers.unwrapped(model).get_submodule(path)
        except AttributeError:
            raise MismatchError("expected the layer that the key marks, this model has none of that name") from None
        self._value: Tensor | None = None
        self._last, self._looking = last, looking
        handle = module.register_forward_pre_hook(_Recorder(self), prepend=last, with_kwargs=True)
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
        """Keep what the layer just received, if the pass counts.

        Raises:
            Reached: nothing after it is wanted.
        """
        if not (self._looking or torch.is_grad_enabled()) or (_ASIDE and self not in _ASIDE[-1]):
            return
        self._value = value
        if self._last:
            raise Reached


_ASIDE: list[tuple[Tap, ...]] = []


@contextmanager
def aside(*taps: Tap) -> Iterator[None]:
    """Let no tap but these record: who runs the model beside the loop's own pass must not stand in for it."""
    _ASIDE.append(taps)
    try:
        yield
    finally:
        _ASIDE.pop()


class _Recorder:
    """The hook. A copy of the model, deep or pickled, carries one that records nothing."""

    def __init__(self, tap: Tap | None = None) -> None:
        self._tap = None if tap is None else weakref.ref(tap)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        tap = None if self._tap is None else self._tap()
        given = (value for value in (*args, *named.values()) if isinstance(value, Tensor) and value.is_floating_point())
        if tap is not None and (value := next(given, None)) is not None:
            tap.record(value)

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


def activations(model: nn.Module, path: str, inputs: Tensor, *, batch: int = 256, last: bool = False) -> Tensor:
    """Return what the layer at ``path`` receives for each input in evaluation mode, ``(N, M)``, on the model's device.

    Args:
        model: left as it was.
        path: state-dict path of the layer.
        inputs: as ``forward`` takes them, ``(N, *input_shape)``.
        batch: inputs a pass.
        last: whether to leave out what the model computes after it.
    """
    device = next(model.parameters()).device
    tap = Tap(model, path, last=last, looking=True)
    found = []
    with evaluating(model):
        for part in inputs.split(batch):
            with suppress(Reached):
                call(model, part.to(device))
            found.append(tap.take())
    return torch.cat(found)


def widths(model: nn.Module, inputs: Tensor) -> set[int]:
    """Return how many units each module of ``model`` receives, without regard to its path."""
    found: set[int] = set()

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        found.update(value.flatten(1).shape[1] for value in args if isinstance(value, Tensor) and value.dim() > 1)

    handles = [module.register_forward_pre_hook(note) for module in layers.unwrapped(model).modules()]
    device = next(model.parameters()).device
    try:
        with evaluating(model):
            call(model, inputs[:1].to(device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def received(model: nn.Module, place: Place, inputs: Tensor, *, last: bool = False, batch: int = 256) -> list[Tensor]:
    """Return what the module at the place's path receives, ``(N, M)``; without one, what each layer receives that has that M.

    Raises:
        MismatchError: there is none, the one at the path receives another number of units, or they are too many to hold.
    """
    if place.path in dict(layers.unwrapped(model).named_modules(remove_duplicate=False)):
        width = activations(model, place.path, inputs[:1], last=last).shape[1]
        if width != place.width:
            raise MismatchError(f"expected the marked layer to receive {place.width} units, got {width}")
        return [activations(model, place.path, inputs, last=last, batch=batch)]
    sizes: dict[str, tuple[int, Role]] = {}
    for layer in layers.places(model):
        with suppress(MismatchError):  # a layer that is not run, or no module of its own
            sizes[layer.path] = activations(model, layer.path, inputs[:1], last=last).shape[1], layer.layout.role
    found = chosen(sizes, place)
    if len(found) * len(inputs) * place.width > MOST_RECEIVED:
        raise MismatchError(
            f"expected the layer that the key marks, {len(found)} others have its size, and what all receive is too much to hold"
        )
    return [activations(model, path, inputs, last=last, batch=batch) for path in found]
