"""SHA-256 and SHAKE-256 over tagged, length-prefixed parts, so that no two uses can ever hash the same bytes."""

import hashlib
from collections.abc import Iterable, Iterator

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


def expanded_each(count: int, lasts: Iterable[bytes], tag: str, *parts: bytes) -> Iterator[bytes]:
    """Yield ``expand(count, tag, *parts, last)`` for each of ``lasts``; what comes before is framed once."""
    begun = frame(tag, *parts)
    for last in lasts:
        yield hashlib.shake_256(begun + len(last).to_bytes(8, "big") + last).digest(count)


def expanded(count: int, piece: int, tag: str, *parts: bytes) -> Iterator[bytes]:
    """Yield what ``expand`` returns, ``piece`` bytes at a time, in memory for one of them where the library can do that."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    sizes = [min(piece, count - start) for start in range(0, count, piece)]
    try:
        stream = hashes.XOFHash(hashes.SHAKE256(count))  # since version 45, with OpenSSL 3.3 below it
    except (AttributeError, UnsupportedAlgorithm):
        whole = expand(count, tag, *parts)
        yield from (whole[number * piece :][:size] for number, size in enumerate(sizes))
        return
    stream.update(frame(tag, *parts))
    yield from map(stream.squeeze, sizes)
