"""A weight file that is open, and the digest that no container changes."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from modelmark import hashing
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.files.dtypes import Array, called

LIMIT = 64 * 2**30
"""Bytes of a file, and of its tensors together: larger than any that fits this machine's memory."""
NAMES = 2**20
"""Tensors in a file; the largest public networks have some 100,000."""
HEADER = 100_000_000
"""Bytes of names and shapes, in a header or an index: what the safetensors library itself accepts."""

_PIECE = 8 * 2**20  # bytes hashed at a time
_MAPPED = 32 * 2**20  # bytes read through one mapping before it is let go

Reader: TypeAlias = Callable[[str], Array]


@dataclass(frozen=True)
class WeightFile:
    """Tensors by name, memory-mapped: none is read before it is asked for.

    Args:
        path: of the file, the index or the folder.
        what: the container in words, such as ``safetensors`` or ``2 shards of safetensors``.
        shapes: of every tensor.
        read: returns one tensor; it shares the mapping, so that what is not touched is never read.
        again: maps the same file anew and returns the ``read`` of that mapping.
        notes: what was chosen and what was left aside, a line each.
        unreadable: entries that should be tensors, each with what it is instead.
        aliases: names that the writer left out because they share another's tensor.
        types: of every tensor, in the container's own words.
        stored: shapes as they are in the container, where it lays tensors out otherwise than torch does.
        rows: tensors whose first axis is known to count the filters: the container says what its layers are.
        called: returns what a tensor that torch calls so is called here, or an empty word: containers have names of their own.
        in_order: whether ``shapes`` stand in the order of the network.
        metadata: what the container says beside the tensors, by name.
    """

    path: Path
    what: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Reader = field(repr=False)
    again: Callable[[], Reader] = field(repr=False)
    notes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rows: frozenset[str] = frozenset()
    called: Callable[[str], str] = field(default=lambda name: "", repr=False)
    in_order: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """Names of all tensors, sorted."""
        return sorted(self.shapes)

    def tensor(self, name: str) -> Array:
        """Return one tensor, of a type in ``dtypes``. Changing it changes neither the file nor another process's view of it.

        Raises:
            MismatchError: there is none of that name.
        """
        if name not in self.shapes:
            raise MismatchError(f"expected a tensor {name} in {self.path.name}, found none")
        return self.read(name)

    @cached_property
    def digest(self) -> str:
        """``digest`` of all tensors, computed with less than 100 MB of memory whatever the size of the file."""
        read, used = self.again(), 0

        def sparing(name: str) -> Array:
            nonlocal read, used
            if used > _MAPPED:
                read, used = self.again(), 0  # a page once read counts as memory until its mapping goes
            tensor = read(name)
            used += min(tensor.nbytes, _PIECE)
            return tensor

        return digest(self.shapes, sparing)


def held(state: Mapping[str, Any], what: str = "state dict") -> WeightFile:
    """Return a state dict in memory, of arrays or of torch's tensors, as if it were an open file."""

    def read(name: str) -> Array:
        found = state[name]
        if isinstance(found, np.ndarray):
            return found
        from modelmark.suspects.torching import array

        return array(found)

    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return WeightFile(Path(what), what, shapes, read, lambda: read)


def digest(names: Iterable[str], read: Reader) -> str:
    """Return SHA-256, in hex, over name, type, shape and bytes of every tensor in name order.

    Args:
        names: of the tensors.
        read: returns the tensor of a name; it is called once for every piece of that tensor.
    """
    total = hashlib.sha256()
    for name in sorted(names):
        tensor = read(name)
        shape = ",".join(map(str, tensor.shape))
        kind = f"torch.{called(tensor.dtype)}"  # as the first release wrote it
        total.update(hashing.frame("tensor", name.encode(), kind.encode(), shape.encode()))
        total.update(tensor.nbytes.to_bytes(8, "big"))
        numbers = tensor.size
        count = max(1, _PIECE // tensor.itemsize) if tensor.flags.c_contiguous else numbers
        del tensor  # its mapping goes with it
        for start in range(0, numbers, count):
            piece = read(name).reshape(-1)[start : start + count]
            total.update(piece.view(np.uint8).data)
    return total.hexdigest()


def require_names(path: Path, names: Collection[str]) -> None:
    """Raise MalformedError if a file holds more tensors than any network has, or a name that is no text."""
    if len(names) > NAMES:
        raise MalformedError(f"expected at most {NAMES} tensors in {path}, got {len(names)}")
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise MalformedError(f"expected names in Unicode in {path}, got {name!a}"[:300]) from None
