"""What a timestamp token holds: the part that its authority signed, and the parts that whoever holds it can change.

What an authority signs and nobody else can make is the TSTInfo and its signature; a draw binds these two and nothing else.
Certificates, their order and unsigned attributes can be changed by whoever holds a token, and an ECDSA signature ``(r, s)``
has a twin ``(r, -s)`` that verifies too, so of ECDSA only ``r`` counts: each of these would be a free second draw.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelmark import hashing
from modelmark.claim.dates import der
from modelmark.errors import MalformedError

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
SHA1 = bytes.fromhex("2b0e03021a")
SHA2 = {
    bytes.fromhex("6086480165030402" + last): f"sha{size}" for last, size in (("01", 256), ("02", 384), ("03", 512))
}
"""Digests that count, by their object identifier (DER, without tag)."""


@dataclass(frozen=True)
class Anatomy:
    """The parts of a token with exactly one signer and SHA-2 digests.

    Args:
        info: TSTInfo (DER), which is signed.
        attributes: what else is signed, among it a digest of ``info``.
        signature: value of the signature.
        certificates: as they stand in the token (DER); no signature covers them.
    """

    info: bytes
    attributes: der.Node
    signature: bytes
    certificates: tuple[bytes, ...]

    @property
    def binding(self) -> bytes:
        """32 bytes that only the authority could have made; what a draw is made of."""
        return hashing.digest("token", self.info, _core(self.signature))

    @property
    def nonce(self) -> int | None:
        """The nonce of the request that this answers, if that had one."""
        return first_integer(der.parse(self.info).children[5:])


def anatomy(token: bytes) -> Anatomy:
    """Return the parts of a token.

    Raises:
        MalformedError: it is signed over SHA-1, or stamps a SHA-1 digest.
        ValueError: it is built otherwise.
    """
    kind, wrapped = der.expect(der.parse(token), der.SEQUENCE).children
    (signed,) = der.expect(wrapped, der.context(0)).children
    parts = der.expect(signed, der.SEQUENCE).children
    inner, content = der.expect(parts[2], der.SEQUENCE).children
    (octets,) = der.expect(content, der.context(0)).children
    if (kind.tag, kind.content, inner.tag, inner.content) != (der.OID, SIGNED_DATA, der.OID, _TST_INFO):
        raise ValueError("not a TSTInfo in signed data")
    (signer,) = der.expect(parts[-1], der.SET).children
    fields = der.expect(signer, der.SEQUENCE).children
    info = der.expect(octets, der.OCTETS).content
    imprint, _ = der.expect(der.expect(der.parse(info), der.SEQUENCE).children[2], der.SEQUENCE).children
    _require_sha2(
        imprint, "a stamp of a SHA-2 digest", "the request that modelmark deposit --request writes asks for SHA-512"
    )
    _require_sha2(fields[2], "a token signed over SHA-2", "ask an authority that signs with SHA-256 or better")
    der.expect(fields[3], der.context(0))  # signed attributes, which hold the digest of the TSTInfo
    certificates = [part for part in parts[3:-1] if part.tag == der.context(0)]
    held = tuple(child.encoded for part in certificates for child in part.children)
    return Anatomy(info, fields[3], der.expect(fields[5], der.OCTETS).content, held)


def normalise(token: bytes) -> bytes:
    """Return a token with its certificates in DER's order, each once, and without unsigned attributes.

    Authorities often send certificates in another order than DER's, which strict readers refuse. No signature covers it.

    Raises:
        MalformedError: not a token.
    """

    def bare(signer: der.Node) -> der.Node:
        return der.make(der.SEQUENCE, [field for field in signer.children if field.tag != der.context(1)])

    try:
        return _rebuilt(token, lambda held: held, bare)
    except (ValueError, IndexError):
        raise MalformedError("expected a timestamp token (DER), got something else") from None


def with_certificates(token: bytes, others: Sequence[bytes]) -> bytes:
    """Return a token that carries these certificates (DER) too, where it has any of its own.

    Raises:
        ValueError: not a token.
    """
    return _rebuilt(token, lambda held: [*held, *map(der.parse, others)], lambda signer: signer)


def first_integer(fields: Sequence[der.Node]) -> int | None:
    """Return the first integer among ``fields``: in requests and in TSTInfo it is the nonce."""
    return next((der.integer(node) for node in fields if node.tag == der.INTEGER), None)


def _rebuilt(
    token: bytes,
    certificates: Callable[[Sequence[der.Node]], Sequence[der.Node]],
    signer: Callable[[der.Node], der.Node],
) -> bytes:
    kind, wrapped = der.parse(token).children
    (signed,) = wrapped.children
    parts = list(signed.children)
    for number, part in enumerate(parts):
        if part.tag == der.context(0):
            unique = {child.encoded: child for child in certificates(part.children)}
            parts[number] = der.make(part.tag, [unique[raw] for raw in sorted(unique)])
    parts[-1] = der.make(der.SET, [signer(one) for one in der.expect(parts[-1], der.SET).children])
    whole = der.make(wrapped.tag, [der.make(signed.tag, parts)])
    return der.make(der.SEQUENCE, [kind, whole]).encoded


def _require_sha2(algorithm: der.Node, what: str, hint: str) -> None:
    found = der.expect(algorithm, der.SEQUENCE).children[0].content
    if found not in SHA2:
        raise MalformedError(f"expected {what}, got {'SHA-1' if found == SHA1 else 'another digest'}", hint=hint)


def _core(signature: bytes) -> bytes:
    """Return what of a signature its signer alone decides: r of ECDSA's ``(r, s)``, any other signature whole."""
    with contextlib.suppress(ValueError):
        r, s = (der.integer(node) for node in der.expect(der.parse(signature), der.SEQUENCE).children)
        if r > 0 and s > 0:
            return r.to_bytes((r.bit_length() + 7) // 8, "big")
    return signature
