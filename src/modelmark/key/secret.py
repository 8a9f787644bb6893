"""The owner's 32 secret bytes, and everything that is derived from them with integers alone.

No float takes part, so every machine derives the same carriers from the same secret; ``tests/vectors`` holds known answers.
"""

import builtins
import secrets as os_random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modelmark import hashing

SIZE = 32
NORMAL_UNIT = 65536
"""One standard deviation of ``Secret.normals``."""

_CHUNK, _PART = 1 << 20, 1 << 15


@dataclass(frozen=True)
class Secret:
    """Thirty-two bytes that never leave the owner.

    Every method takes a ``label`` that names the use; different labels give independent values.

    Args:
        value: 32 bytes; ``Secret.generate()`` draws them from the operating system.
    """

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.value, bytes) or len(self.value) != SIZE:
            raise ValueError(f"expected a secret of {SIZE} bytes, got {len(self.value)}")

    @classmethod
    def generate(cls) -> "Secret":
        """Return a fresh secret from the operating system's generator."""
        return cls(os_random.token_bytes(SIZE))

    def bytes(self, label: str, count: int) -> bytes:
        """Return ``count`` bytes: SHAKE-256 keyed by the secret."""
        return hashing.expand(count, "secret", self.value, label.encode())

    def _pieces(self, label: str, count: int, piece: int) -> Iterator[builtins.bytes]:
        """Yield the same a piece at a time."""
        if count <= piece:
            return iter([self.bytes(label, count)])
        return hashing.expanded(count, piece, "secret", self.value, label.encode())

    def integers(self, label: str, below: int, count: int) -> npt.NDArray[np.int64]:
        """Return ``count`` integers, uniform on ``[0, below)`` without modulo bias, shape ``(count,)``.

        64-bit big-endian words at or above the largest multiple of ``below`` are skipped.
        """
        if not 0 < below <= 2**62:
            raise ValueError(f"expected 0 < below <= 2**62, got {below}")
        limit = np.uint64(2**64 // below * below - 1)
        words = count + 64
        while True:
            stream = np.frombuffer(self.bytes(label, 8 * words), ">u8").astype(np.uint64)
            accepted = stream[stream <= limit]
            if len(accepted) >= count:
                return (accepted[:count] % np.uint64(below)).astype(np.int64)
            words *= 2

    def permutation(self, label: str, size: int) -> npt.NDArray[np.int64]:
        """Return the numbers ``0 .. size - 1`` in a uniformly drawn order (a stable sort of 62-bit words), shape ``(size,)``."""
        return np.argsort(self.integers(label, 2**62, size), kind="stable")

    def normals(self, label: str, count: int) -> npt.NDArray[np.int32]:
        """Return ``count`` near-normal fixed-point numbers, mean 0, standard deviation ``NORMAL_UNIT``, shape ``(count,)``.

        Each is a sum of twelve 16-bit uniforms, centred: mean exactly zero, variance 2**32 - 1, tails end at six
        standard deviations, excess kurtosis -0.1.
        """
        out, twelve = np.empty(count, np.int32), np.ones(12, np.int32)
        for start in range(0, count, _CHUNK):
            size, at = min(_CHUNK, count - start), start
            for raw in self._pieces(f"{label}/{start}", 24 * size, 24 * _PART):
                words = np.frombuffer(raw, ">u2").astype(np.int32).reshape(-1, 12)
                np.matmul(words, twelve, out=out[at : at + len(words)])  # half the time of a sum along rows
                at += len(words)
        out -= 6 * (NORMAL_UNIT - 1)
        return out
