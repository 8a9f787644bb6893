"""What owner and judge must agree on before any number means anything: what an input is, and what an answer is.

A feed says how inputs are stored (one array), how each is committed (its bytes), and which classes there are. ``tensors`` has
the other half: what a network's ``forward`` takes. Loads without torch.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from modelmark import canonical, hashing
from modelmark.canonical import Json
from modelmark.errors import MalformedError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Feed(ABC):
    """How a model is fed and what its outputs mean; part of every key and under its commitment.

    Args:
        input_shape: shape of one input, such as ``(3, 32, 32)``.
        class_names: the class map, in label order.
    """

    kind: ClassVar[str]
    dtype: ClassVar[np.dtype[Any]]

    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.input_shape or min(self.input_shape) < 1:
            raise ValueError(f"expected an input shape of positive sizes, got {self.input_shape}")
        if len(self.class_names) < 2:
            raise ValueError(f"expected at least two classes, got {len(self.class_names)}")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def check(self, inputs: Array, what: str = "inputs") -> None:
        """Raise ValueError unless ``inputs`` are stored as this feed stores them, ``(N, *input_shape)``."""
        if inputs.dtype != self.dtype or inputs.shape[1:] != self.input_shape:
            raise ValueError(
                f"expected {what} {self.dtype} (N, {self.input_shape}), got {inputs.dtype} {tuple(inputs.shape)}"
            )

    @abstractmethod
    def example(self, count: int) -> Array:
        """Return ``count`` inputs that may occur, the same every time, ``(count, *input_shape)``."""

    def unpacked(self, attached: Array) -> Array:
        """Return inputs as this feed stores them from the array that a key file holds."""
        return attached

    def leaves(self, inputs: Array) -> list[bytes]:
        """Return the bytes of each input: type and shape, such as ``uint8 3x32x32``, a line feed, big-endian numbers."""
        prefix, ordered = self._prefix, inputs.astype(self.dtype.newbyteorder(">"))
        return [prefix + one.tobytes() for one in ordered]

    def parse(self, leaves: Sequence[bytes]) -> Array:
        """Return inputs from their bytes, ``(N, *input_shape)``.

        Raises:
            MalformedError: a leaf is not an input of this feed.
        """
        prefix, count = self._prefix, math.prod(self.input_shape)
        for leaf in leaves:
            if len(leaf) != len(prefix) + count * self.dtype.itemsize or not leaf.startswith(prefix):
                shape = "x".join(map(str, self.input_shape))
                raise MalformedError(f"expected {self.kind} of {shape} {self.dtype} as carriers, got something else")
        stored = self.dtype.newbyteorder(">")
        found = [np.frombuffer(leaf, stored, count, len(prefix)).reshape(self.input_shape) for leaf in leaves]
        inputs = np.array(found, self.dtype).reshape(-1, *self.input_shape)
        self._require_legal(inputs)
        return inputs

    def _require_legal(self, inputs: Array) -> None:
        """Raise MalformedError if a number is none that an input may hold; any is, unless a feed says otherwise."""
        return

    @property
    def _prefix(self) -> bytes:
        return f"{self.dtype} {'x'.join(map(str, self.input_shape))}\n".encode()

    def to_json(self) -> dict[str, Json]:
        """Return the fields as they stand in a key file."""
        return {"kind": self.kind, **self._fields(), "class_names": list(self.class_names)}

    @classmethod
    @abstractmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the feed that ``to_json`` described."""

    def public(self) -> dict[str, Json]:
        """Return what the public statement says: the class map as a digest, the rest openly."""
        return {"kind": self.kind, **self._public()}

    def _public(self) -> dict[str, Json]:
        names = canonical.encode(list(self.class_names))
        return {**self._fields(), "classes": self.classes, "class_map": hashing.digest("class-map", names).hex()}

    def _fields(self) -> dict[str, Json]:
        return {"input_shape": list(self.input_shape)}
