"""Weight files: safetensors, or a state dict loaded without running code; and a digest that no container changes."""

import hashlib
import pickle
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from modelmark import files, hashing
from modelmark.errors import MalformedError, MismatchError, SuspectError

LIMIT = 64 * 2**30
"""Bytes. Larger than any weight file that fits this machine's memory; smaller than a device file read for ever."""

_TORCH_SUFFIXES = (".pt", ".pth", ".bin")


def load(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a weight file.

    Raises:
        MalformedError: missing, truncated, or not weights.
    """
    path, what = Path(path), "a weight file"
    if path.suffix in _TORCH_SUFFIXES:
        files.require_readable(path, what=what)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about pickle protocols and quantised tensors
                state = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, OSError):
            raise MalformedError(
                f"expected a state dict that loads without running code, got something else in {path}"
            ) from None
        if not isinstance(state, dict) or not all(isinstance(n, str) and _is_plain(v) for n, v in state.items()):
            raise MalformedError(f"expected a state dict of plain tensors by name in {path}, got something else")
        return state
    try:
        return load_safetensors(files.read(path, limit=LIMIT, what=what))
    except SafetensorError as error:
        raise MalformedError(f"expected safetensors in {path}, got a damaged or other file: {error}"[:200]) from None


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized or value.is_complex())
    )


def save(model: nn.Module, path: Path) -> None:
    """Write the state dict as safetensors to a new file; nothing in it says that the model is marked.

    Raises:
        OutputExistsError: the file exists.
    """
    files.write_new(path, save_safetensors(_separate(model.state_dict()), metadata={"format": "pt"}))


def apply(model: nn.Module, state: dict[str, Tensor], *, what: str) -> None:
    """Load ``state`` into ``model``, in place.

    Args:
        model: of the architecture the weights are for.
        state: tensors by state-dict path.
        what: whose weights they are, for messages.

    Raises:
        MismatchError: names or shapes differ from the model's.
        SuspectError: a weight is NaN or infinite.
    """
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        parts = [
            f"{title} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for title, names in (("no", missing), ("unknown", extra))
            if names
        ]
        raise MismatchError(
            f"expected {what} for this architecture ({len(expected)} tensors), got {' and '.join(parts)}"
        )
    for name in expected:  # in the model's order: a file has none
        tensor = state[name]
        if tensor.shape != expected[name].shape:
            raise MismatchError(
                f"expected {what} with {name} of shape {tuple(expected[name].shape)}, got {tuple(tensor.shape)}"
            )
        if tensor.is_floating_point() != expected[name].is_floating_point() or tensor.is_complex():
            raise MismatchError(f"expected {what} with {name} of type {expected[name].dtype}, got {tensor.dtype}")
    model.load_state_dict(state)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise SuspectError(f"expected finite numbers in {what}, got NaN or infinity in {name}")


def digest(state: dict[str, Tensor]) -> str:
    """Return SHA-256, in hex, over name, type, shape and bytes of every tensor in name order."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        shape = ",".join(map(str, tensor.shape))
        raw = tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        total.update(hashing.frame("tensor", name.encode(), str(tensor.dtype).encode(), shape.encode(), raw))
    return total.hexdigest()


def _separate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
