"""Salted carriers as the leaves of a Merkle tree (RFC 6962 prefixes); the root is what a claim dates.

A leaf hides its carrier, even a guessable one, behind 32 salt bytes; changing any carrier changes the root, and with it
every symbol of the message that is drawn afterwards.
"""

import hashlib
import hmac
from collections.abc import Sequence

from modelmark import hashing
from modelmark.errors import MalformedError
from modelmark.key.secret import Secret

SALT_SIZE = 32


def leaf(index: int, salt: bytes, carrier: bytes) -> bytes:
    """Return the 32 bytes that commit to carrier number ``index``."""
    content = hashing.frame("leaf", index.to_bytes(8, "big"), salt, hashlib.sha256(carrier).digest())
    return hashlib.sha256(b"\x00" + content).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root of ``leaves`` (at least one); an unpaired node is promoted.

    This is the tree hash of RFC 6962, section 2.1, over leaves that are hashed already.
    """
    if not leaves:
        raise ValueError("expected at least one leaf, got none")
    level = list(leaves)
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def salts(secret: Secret, count: int, label: str = "salt") -> list[bytes]:
    """Return the salts of carriers ``0 .. count - 1``, derived from the secret."""
    return [secret.bytes(f"{label}/{index}", SALT_SIZE) for index in range(count)]


def commit(secret: Secret, carriers: Sequence[bytes], label: str = "salt") -> bytes:
    """Return the root over ``carriers`` in their order, each salted from the secret."""
    salted = salts(secret, len(carriers), label)
    return root([leaf(i, salt, carrier) for i, (salt, carrier) in enumerate(zip(salted, carriers, strict=True))])


def check_opening(published: bytes, index: int, salt: bytes, carrier: bytes) -> bytes:
    """Return ``carrier`` if ``index``, ``salt`` and ``carrier`` open the published leaf.

    Raises:
        MalformedError: they do not.
    """
    if not hmac.compare_digest(leaf(index, salt, carrier), published):
        raise MalformedError(f"expected the opening of leaf {index}, got another index, salt or carrier")
    return carrier


def conceal(secret: Secret, label: str, content: bytes) -> bytes:
    """Return a salted commitment to one value, such as the name of the marked layer."""
    return hashing.digest("conceal", label.encode(), secret.bytes(f"conceal/{label}", SALT_SIZE), content)
