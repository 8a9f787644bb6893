"""Between the arrays that files are read as and the tensors that networks hold; the one place where either becomes the other."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modelmark.errors import MismatchError
from modelmark.networks.shards import is_cut
from modelmark.suspects.files.dtypes import DTYPES, Array, called
from modelmark.suspects.files.fitting import Fitted

_BITS = {1: (torch.uint8, np.uint8), 2: (torch.int16, np.int16), 4: (torch.int32, np.int32)}
"""Integers under whose types numbers cross that one of both libraries lacks, by their bytes."""


def array(tensor: Tensor) -> Array:
    """Return a tensor as an array; it shares the memory of one that lies in this machine's.

    Raises:
        MismatchError: it lies in pieces in several processes.
    """
    if is_cut(tensor):
        raise MismatchError(
            "expected whole weights to read, these are cut between processes",
            hint="save a checkpoint (torch.distributed.checkpoint, or a whole state dict) and read that; mark.margins needs none",
        )
    found = tensor.detach().cpu().resolve_conj().resolve_neg()
    name = str(found.dtype).removeprefix("torch.")
    dtype = DTYPES.get(name, np.dtype([(name, "u1", found.element_size())]))
    if _is_shared(dtype):
        return found.numpy()
    bits, _ = _BITS[dtype.itemsize]
    plain: Array = found.view(bits).numpy().view(dtype)
    return plain


def tensor(array: Array) -> Tensor:
    """Return an array as a tensor that shares its memory.

    Raises:
        MismatchError: of a type that torch has not.
    """
    name = called(array.dtype)
    kind = getattr(torch, name, None)
    if not isinstance(kind, torch.dtype):
        raise MismatchError(f"expected numbers of a type that torch has, got {name}")
    if not array.flags.writeable:
        array = array.copy()
    if _is_shared(array.dtype):
        return torch.from_numpy(array)
    _, bits = _BITS[array.dtype.itemsize]
    return torch.from_numpy(array.view(bits)).view(kind)


def _is_shared(dtype: np.dtype[Any]) -> bool:
    """Return whether both libraries have a type."""
    return dtype.kind in "fiubc" and dtype.isbuiltin == 1


def state(fit: Fitted) -> dict[str, Tensor]:
    """Return all tensors that fit, by the network's names."""
    return {name: _made(fit, theirs) for name, theirs in fit.names.items()}


def any_shape(fit: Fitted) -> dict[str, Tensor]:
    """Return all tensors of the network's names, those of another shape too."""
    return {name: _made(fit, theirs) for name, theirs in {**fit.names, **fit.others}.items()}


def _made(fit: Fitted, name: str) -> Tensor:
    """Return a tensor of the file; of factors the product that torch itself computes, on which digests of hosts depend."""
    made = fit.made.get(name)
    if made is None or made.rule not in PRODUCTS:
        return tensor(fit.file.tensor(name))
    return PRODUCTS[made.rule](*(tensor(fit.file.tensor(part)) for part in made.parts))


def _weight_norm(g: Tensor, v: Tensor) -> Tensor:
    axes = [axis for axis in range(v.dim()) if g.dim() < v.dim() or g.shape[axis] == 1]
    norm = torch.linalg.vector_norm(v, dim=axes, keepdim=g.dim() == v.dim()) if axes else v.abs()
    return v * (g / norm)


def _spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    sigmas = []
    for axis in range(min(2, weight.dim())):
        matrix = weight.movedim(axis, 0).flatten(1)
        if matrix.shape == (len(u), len(v)):
            sigmas.append(u @ matrix @ v)
    return weight / max(sigmas)


def _pruned(weight: Tensor, mask: Tensor) -> Tensor:
    return weight * mask.to(weight.dtype)


PRODUCTS: Mapping[str, Callable[..., Tensor]] = {
    "weight_norm": _weight_norm, "spectral_norm": _spectral_norm, "prune": _pruned,
}  # fmt: skip
"""What torch makes of factors, by the rule's name; ``files.factors`` has what they mean."""
