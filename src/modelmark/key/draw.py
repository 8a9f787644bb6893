"""The message: drawn from the digest of the whole public statement after the carriers are committed, never chosen.

Whoever could choose the labels could fit them to any model. A draw binds everything that is fixed beforehand, so for
every model that does not depend on the draw each symbol is an exact fair coin (or die), whatever the carriers are.
What is left to the claimant is to try many statements; the charge pays for that in bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark import hashing

CHARGES = {"offline": 80, "timestamp": 48, "beacon": 32}
"""Bits charged for how the draw was made: a hash alone; one timestamp authority; a beacon round fixed in advance or a log."""


@dataclass(frozen=True)
class Draw:
    """Randomness bound to one public statement.

    Args:
        statement: 32 bytes, the digest of the whole public statement.
        kind: ``offline``, ``timestamp`` or ``beacon``; see ``CHARGES``.
        token: what the deposit returned; empty exactly when the kind is ``offline``.
    """

    statement: bytes
    kind: str = "offline"
    token: bytes = b""

    def __post_init__(self) -> None:
        if self.kind not in CHARGES:
            raise ValueError(f"expected a draw of kind {', '.join(CHARGES)}, got {self.kind!r}")
        if (self.kind == "offline") != (not self.token):
            raise ValueError(
                f"expected a token exactly when there is a deposit, got {self.kind!r} with {len(self.token)} bytes"
            )
        if len(self.statement) != 32:
            raise ValueError(f"expected a digest of 32 bytes, got {len(self.statement)}")

    @property
    def charge(self) -> int:
        """Bits that this way of drawing costs the claimant."""
        return CHARGES[self.kind]

    def message(self, alphabet: int, count: int) -> npt.NDArray[np.int64]:
        """Return ``count`` independent symbols, uniform on ``[0, alphabet)``, shape ``(count,)``.

        Symbol ``i`` is the first 64-bit word of its own stream below the largest multiple of ``alphabet``, reduced.
        """
        return self.symbols(alphabet, range(count))

    def symbols(self, alphabet: int, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the symbols of a message at these numbers; each is drawn by itself, so a part costs as much as it holds."""
        if alphabet < 2:
            raise ValueError(f"expected an alphabet of at least 2, got {alphabet}")
        rho = hashing.digest("draw", self.statement, self.kind.encode(), self.token)
        return np.array([_symbol(rho, index, alphabet) for index in numbers], np.int64)


def _symbol(rho: bytes, index: int, alphabet: int) -> int:
    limit = 2**64 // alphabet * alphabet
    words = 4
    while True:
        stream = hashing.expand(8 * words, "symbol", rho, index.to_bytes(8, "big"))
        for start in range(0, len(stream), 8):
            word = int.from_bytes(stream[start : start + 8], "big")
            if word < limit:
                return word % alphabet
        words *= 2
