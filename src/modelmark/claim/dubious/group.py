"""The group ristretto255 (RFC 9496) as libsodium computes it: points are 32 canonical bytes, scalars are integers.

libsodium's bindings do not refuse every bad point, some they take for the identity. So whatever comes from outside goes
through ``is_point`` first, and the functions that compute expect valid points.
"""

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from modelmark import hashing
from modelmark.errors import MissingPackageError

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Number of points; scalars are integers modulo it."""
SIZE = 32
"""Bytes of a point and of a scalar."""
IDENTITY = bytes(SIZE)
_WIDE = 64


@cache
def library() -> Any:
    """Return the package rbcl, bindings of libsodium.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module("rbcl")
    except ImportError:
        raise MissingPackageError(
            "expected the package rbcl, which computes in ristretto255", hint="pip install 'modelmark[zk]'"
        ) from None


def is_point(data: bytes) -> bool:
    """Return whether ``data`` is the canonical encoding of a point that is not the identity."""
    return len(data) == SIZE and data != IDENTITY and bool(library().crypto_core_ristretto255_is_valid_point(data))


def is_scalar(data: bytes) -> bool:
    """Return whether ``data`` is the canonical (reduced, little-endian) encoding of a scalar; zero is one."""
    return len(data) == SIZE and int.from_bytes(data, "little") < ORDER


def scalar_bytes(scalar: int) -> bytes:
    """Return 32 little-endian bytes of ``scalar`` modulo the order."""
    return (scalar % ORDER).to_bytes(SIZE, "little")


def add(left: bytes, right: bytes) -> bytes:
    """Return the sum of two valid points."""
    return library().crypto_core_ristretto255_add(left, right)  # type: ignore[no-any-return]


def subtract(left: bytes, right: bytes) -> bytes:
    """Return the difference of two valid points."""
    return library().crypto_core_ristretto255_sub(left, right)  # type: ignore[no-any-return]


def multiply(scalar: int, point: bytes) -> bytes:
    """Return ``scalar`` times a valid point; either may be zero."""
    return library().crypto_scalarmult_ristretto255_allow_scalar_zero(  # type: ignore[no-any-return]
        scalar_bytes(scalar), point
    )


def base(scalar: int) -> bytes:
    """Return ``scalar`` times RFC 9496's generator, at a third of the cost of ``multiply``."""
    return library().crypto_scalarmult_ristretto255_base_allow_scalar_zero(  # type: ignore[no-any-return]
        scalar_bytes(scalar)
    )


def combine(scalars: Sequence[int], points: Sequence[bytes]) -> bytes:
    """Return the sum of ``scalars[i]`` times ``points[i]``."""
    total = IDENTITY
    for scalar, point in zip(scalars, points, strict=True):
        if scalar in (1, -1):  # a fifth of the cost
            total = add(total, point) if scalar == 1 else subtract(total, point)
        elif scalar:
            total = add(total, multiply(scalar, point))
    return total


def hash_to_point(tag: str, *parts: bytes) -> bytes:
    """Return a point whose discrete logarithms nobody knows: RFC 9496's map of 64 bytes of ``XOF(tag, parts)``."""
    return library().crypto_core_ristretto255_from_hash(  # type: ignore[no-any-return]
        hashing.expand(_WIDE, tag, *parts)
    )


def hash_to_scalar(tag: str, *parts: bytes) -> int:
    """Return a scalar: 64 bytes of ``XOF(tag, parts)``, little-endian, reduced; its bias is below 2**-250."""
    return int.from_bytes(hashing.expand(_WIDE, tag, *parts), "little") % ORDER


def scalars(stream: bytes) -> list[int]:
    """Return one scalar for each 64 bytes of ``stream``, reduced as ``hash_to_scalar`` does."""
    return [int.from_bytes(stream[i : i + _WIDE], "little") % ORDER for i in range(0, len(stream), _WIDE)]
