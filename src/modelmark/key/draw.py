"""The message: drawn from the digest of the whole public statement after the carriers are committed, never chosen.

Whoever could choose the labels could fit them to any model. A draw binds everything that is fixed beforehand, so for
every model that does not depend on the draw each symbol is an exact fair coin (or die), whatever the carriers are.
What is left to the claimant is to try many statements; the charge pays for that in bits.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelmark import hashing

CHARGES = {"offline": 80, "timestamp": 48, "beacon": 32}
"""Bits charged for how the draw was made: a hash alone; one timestamp authority; a beacon round fixed in advance or a log."""
LONGEST_NAME = 200
"""Characters of a recipient's name."""


@dataclass(frozen=True)
class Draw:
    """Randomness bound to one public statement.

    Args:
        statement: 32 bytes, the digest of the whole public statement.
        kind: ``offline``, ``timestamp`` or ``beacon``; see ``CHARGES``.
        token: what the deposit returned; empty exactly when the kind is ``offline``.
        recipient: who gets a copy of its own; see ``of``. Empty: nobody, the key's own message.
    """

    statement: bytes
    kind: str = "offline"
    token: bytes = b""
    recipient: str = ""

    def __post_init__(self) -> None:
        if self.kind not in CHARGES:
            raise ValueError(f"expected a draw of kind {', '.join(CHARGES)}, got {self.kind!r}")
        if (self.kind == "offline") != (not self.token):
            raise ValueError(
                f"expected a token exactly when there is a deposit, got {self.kind!r} with {len(self.token)} bytes"
            )
        if len(self.statement) != 32:
            raise ValueError(f"expected a digest of 32 bytes, got {len(self.statement)}")
        if self.recipient and canonical_name(self.recipient) != self.recipient:
            raise ValueError(f"expected a recipient's name in form C, got {self.recipient!a}")

    def of(self, recipient: str) -> "Draw":
        """Return the draw of a recipient's copy: what this one says and the name say together, and nothing else.

        Raises:
            ValueError: the name is no line of 1 to 200 printable characters, or begins or ends with a space.
        """
        return replace(self, recipient=canonical_name(recipient))

    @property
    def seed(self) -> bytes:
        """The 32 bytes of which every symbol is expanded."""
        rho = hashing.digest("draw", self.statement, self.kind.encode(), self.token)
        return hashing.digest("copy", rho, self.recipient.encode()) if self.recipient else rho

    @property
    def charge(self) -> int:
        """Bits that this way of drawing costs the claimant."""
        return CHARGES[self.kind]

    def message(self, alphabet: int, count: int) -> npt.NDArray[np.int64]:
        """Return ``count`` independent symbols, uniform on ``[0, alphabet)``, shape ``(count,)``.

        Symbol ``i`` is the first 64-bit word of its own stream below the largest multiple of ``alphabet``, reduced. Of a
        recipient's copy it is a bit of one stream; see ``packed``.
        """
        return self.symbols(alphabet, range(count))

    def symbols(self, alphabet: int, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the symbols of a message at these numbers; each is drawn by itself, so a part costs as much as it holds."""
        if alphabet < 2:
            raise ValueError(f"expected an alphabet of at least 2, got {alphabet}")
        if self.recipient:
            if alphabet != 2:
                raise ValueError(f"expected an alphabet of 2 for a recipient's copy, got {alphabet}")
            bits = np.unpackbits(self.packed(max(numbers, default=0) + 1), bitorder="little")
            return bits[np.asarray(numbers, np.int64)].astype(np.int64)
        seed = self.seed
        first = b"".join(hashing.expanded_each(8, (index.to_bytes(8, "big") for index in numbers), "symbol", seed))
        words = np.frombuffer(first, ">u8").astype(np.uint64)
        drawn = (words % np.uint64(alphabet)).astype(np.int64)
        for place in np.flatnonzero(words > np.uint64(2**64 // alphabet * alphabet - 1)):  # next to never
            drawn[place] = _symbol(seed, numbers[int(place)], alphabet)
        return drawn

    def packed(self, count: int) -> npt.NDArray[np.uint8]:
        """Return ``count`` bits of a recipient's copy, eight a byte, the first one lowest; one hash, as many are compared."""
        return np.frombuffer(hashing.expand((count + 7) // 8, "copy bits", self.seed), np.uint8)


def canonical_name(text: str) -> str:
    """Return a recipient's name in Unicode's form C.

    Raises:
        ValueError: it is no line of 1 to 200 printable characters, or begins or ends with a space.
    """
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"expected a name of 1 to {LONGEST_NAME} printable characters without a space at either end, "
            f"got {text[:40]!a}{f' and {len(text) - 40} more' if len(text) > 40 else ''}"
        )
    return name


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
