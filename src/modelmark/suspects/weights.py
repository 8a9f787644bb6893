"""Weights into and out of models; ``suspects.files`` reads every container."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from modelmark import files
from modelmark.errors import MismatchError, SuspectError
from modelmark.naming import counted
from modelmark.networks import layers
from modelmark.suspects import files as containers
from modelmark.suspects import library, torching
from modelmark.suspects.files import Fitted, WeightFile
from modelmark.suspects.files.mapped import remembering


def load(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a weight file, memory-mapped where the container allows it.

    Raises:
        MalformedError: missing, truncated, or not weights.
    """
    file = containers.open_weights(path)
    return {name: torching.tensor(file.tensor(name)) for name in file.names}


def save(model: nn.Module, path: Path) -> None:
    """Write the state dict as safetensors to a new file; nothing in it says that the model is marked.

    Names are those of the model inside its wrappers; weights that are tied are written once, by their first name.

    Raises:
        OutputExistsError: the file exists.
    """
    there = layers.unwrapped(model).state_dict()
    own = {_place(tensor): name for name, tensor in reversed(there.items())}
    state = {
        ".".join(part for part in name.split(".") if part != "_orig_mod"): tensor.detach().cpu().clone().contiguous()
        for name, tensor in there.items()
        if own[_place(tensor)] == name
    }
    files.write_new(path, save_safetensors(state, metadata={"format": "pt"}))


def apply(model: nn.Module, weights: WeightFile | Mapping[str, Tensor], *, what: str, finite: bool = True) -> Fitted:
    """Load weights into ``model``, in place, and return how their names were mapped.

    Batch norm's counters may be missing, and tensors that the model has not are left aside.

    Args:
        model: of the architecture the weights are for.
        weights: an open file, or tensors by state-dict path.
        what: whose weights they are, for messages.
        finite: whether to refuse weights that are no numbers; a reading looks at what comes out instead.

    Raises:
        MismatchError: a weight is missing, or has another shape or type.
        SuspectError: a weight is NaN or infinite.
    """
    file = weights if isinstance(weights, WeightFile) else containers.held(weights)
    expected = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    fit = containers.fitted(file, {name: tuple(tensor.shape) for name, tensor in expected.items()})
    lacks = _lacking(expected, fit)
    if (lacks or fit.unfit) and library.is_of_library(model):
        file = library.as_named(model, file)
        fit = containers.fitted(file, {name: tuple(tensor.shape) for name, tensor in expected.items()})
        lacks = _lacking(expected, fit)
    if lacks:
        own = {name: tuple(tensor.shape) for name, tensor in expected.items()}
        unknown = f" and unknown {_some(fit.left_aside, file.shapes)}" if fit.left_aside else ""
        why, hint = containers.explained([*file.shapes, *file.unreadable])
        raise MismatchError(
            f"expected {what} for this architecture ({counted(len(expected), 'tensor')}), "
            f"got no {_some(lacks, own)}{unknown}{f': {why}' if why else ''}",
            hint=hint,
        )
    for name, (shape, found) in fit.unfit.items():
        more = f", and {counted(len(fit.unfit) - 1, 'other')} that differ" if len(fit.unfit) > 1 else ""
        raise MismatchError(f"expected {what} with {name} of shape {shape}, got {found}{more}")
    state = torching.state(fit)
    for name, tensor in state.items():
        if _kind(tensor) != _kind(expected[name]):
            _, hint = containers.explained(file.shapes)
            raise MismatchError(
                f"expected {what} with {name} of type {expected[name].dtype}, got {tensor.dtype}", hint=hint
            )
    model.load_state_dict(state, strict=False)
    for name, tensor in model.state_dict().items() if finite else ():
        if isinstance(tensor, Tensor) and _kind(tensor) != "whole" and not torch.isfinite(tensor).all():
            raise SuspectError(f"expected finite numbers in {what}, got NaN or infinity in {name}")
    return fit


def digest(state: Mapping[str, Tensor]) -> str:
    """Return SHA-256, in hex, over name, type, shape and bytes of every tensor in name order."""
    return containers.digest(state, remembering(lambda name: torching.array(state[name])))


def _lacking(expected: Mapping[str, Tensor], fit: Fitted) -> list[str]:
    """Return what is missing; of tied weights one is enough."""
    there = {_place(expected[name]) for name in (*fit.names, *fit.unfit)}
    return [name for name in fit.lacks if _place(expected[name]) not in there]


def _some(names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the first three of some names with their shapes, and how many more there are."""
    return containers.some([f"{name} ({containers.sized(shapes[name])})" for name in names])


def _place(tensor: Tensor) -> tuple[int, torch.Size, tuple[int, ...]]:
    return tensor.data_ptr() if tensor.numel() else id(tensor), tensor.shape, tensor.stride()


def _kind(tensor: Tensor) -> str:
    return "complex" if tensor.is_complex() else "real" if tensor.is_floating_point() else "whole"
