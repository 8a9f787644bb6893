"""SHA-256 and SHAKE-256 over tagged, length-prefixed parts, so that no two uses can ever hash the same bytes."""

import hashlib

PREFIX = b"modelmark/v1/"


def frame(tag: str, *parts: bytes) -> bytes:
    """Return ``prefix || tag`` and every part, each preceded by its length as eight big-endian bytes."""
    pieces = (PREFIX + tag.encode(), *parts)
    return b"".join([len(piece).to_bytes(8, "big") + piece for piece in pieces])


def digest(tag: str, *parts: bytes) -> bytes:
    """Return the 32 bytes of SHA-256 over ``frame(tag, *parts)``."""
    return hashlib.sha256(frame(tag, *parts)).digest()


def expand(count: int, tag: str, *parts: bytes) -> bytes:
    """Return ``count`` bytes of SHAKE-256 over ``frame(tag, *parts)``."""
    return hashlib.shake_256(frame(tag, *parts)).digest(count)
