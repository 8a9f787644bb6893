"""What ``torch.save`` writes: a zip archive, mapped, or the older row of pickles. No code in it runs."""

import contextlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.errors import MalformedError
from modelmark.suspects.files import storages, zips
from modelmark.suspects.files.base import HEADER, Reader, WeightFile, require_names

if TYPE_CHECKING:
    from modelmark.suspects.files import nested

_WHAT = "torch checkpoint"
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save pickled first until version 1.6
_GLOBAL = re.compile(r"GLOBAL (\S+) was not an allowed")

# how the name of a refused global begins, what a file with it is, the way on
GLOBALS = (
    ("torchao.", "weights quantised by torchao",
     "where torchao is installed, dequantize() each weight and save the state dict again"),
    ("torch.distributed", "the distributed tensors of one process",
     "gather them first: get_model_state_dict with full_state_dict=True"),
    ("torch.nn.", "a whole module", "save its state dict: torch.save(module.state_dict(), FILE)"),
)  # fmt: skip
_ALONE = "save the tensors alone: torch.save(module.state_dict(), FILE)"


def is_legacy(head: bytes) -> bool:
    """Return whether the first bytes are those of ``torch.save`` before version 1.6."""
    return head[:1] == b"\x80" and head.startswith(_LEGACY, 2)


def opened(path: Path, members: zips.Listing) -> WeightFile:
    """Return the state dict in an archive, mapped.

    Raises:
        MalformedError: damaged, or without tensors by name.
    """
    for member in members.values():
        if member.compress_type != zipfile.ZIP_STORED:
            raise MalformedError(f"expected a {_WHAT} as torch writes it in {path}, got compressed members")
        if member.filename.endswith("data.pkl") and member.file_size > HEADER:
            raise MalformedError(
                f"expected names and shapes of at most {HEADER} bytes in {path}, got {member.file_size}"
            )
    top = min((name for name in members if name.endswith("data.pkl")), key=len, default="")
    if top and b"torchao" in zips.content(path, members[top]):  # whose tensors are objects of its classes
        return storages.opened(path, members, _WHAT, top.removesuffix("data.pkl"), [("data.pkl", "data/", "")])
    is_mapped = path.suffix != ".safetensors"  # torch takes a path with that ending for the other kind
    first = _chosen(path, is_mapped)
    return _file(path, first, lambda: (_chosen(path, is_mapped) if is_mapped else first).read)


def opened_legacy(path: Path) -> WeightFile:
    """Return the state dict in a file of the older form, which cannot be mapped and is read whole."""
    first = _chosen(path, is_mapped=False)
    return _file(path, first, lambda: first.read)


def _file(path: Path, found: "nested.Chosen", again: Callable[[], Reader]) -> WeightFile:
    require_names(path, found.tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    types = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in found.tensors.items()}
    return WeightFile(
        path, _WHAT, shapes, found.read, again, notes=found.notes, unreadable=found.unreadable, types=types
    )


def _chosen(path: Path, is_mapped: bool) -> "nested.Chosen":
    import torch

    from modelmark.suspects.files import nested

    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")  # of torch, about pickle protocols and quantised tensors
            source = path if is_mapped else stream
            found = torch.load(source, map_location="cpu", weights_only=True, mmap=is_mapped)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from None
    except Exception as error:  # whatever torch makes of a damaged file
        raise MalformedError(
            f"expected a {_WHAT} in {path}, got a damaged one: {' '.join(str(error).split())}"[:300]
        ) from None
    return nested.chosen(found, path)


def _refused(path: Path, message: str) -> MalformedError:
    found = _GLOBAL.search(message)
    if found is None:
        return MalformedError(
            f"expected tensors that load without running code in {path}, got something else", hint=_ALONE
        )
    import torch

    names = [found[1]]
    with contextlib.suppress(Exception):  # it reads the archives alone, and those that are whole
        names += sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    for start, what, hint in GLOBALS:
        if any(name.startswith(start) for name in names):
            return MalformedError(f"expected tensors alone in {path}, got {what} ({names[0]})", hint=hint)
    return MalformedError(
        f"expected tensors alone in {path}, got {names[0]} beside them, which does not load without running code",
        hint=_ALONE,
    )
