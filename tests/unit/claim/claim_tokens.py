"""Timestamp tokens spelled anew by somebody who has no key: what every holder of a token can do."""

from modelmark.claim.dates import der

P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def rebuilt(token: bytes, change) -> bytes:
    """Return the token with the parts of its SignedData changed: ``change(parts)`` gets and returns a list of nodes."""
    kind, wrapped = der.parse(token).children
    (signed,) = wrapped.children
    inner = der.make(der.SEQUENCE, change(list(signed.children)))
    return der.make(der.SEQUENCE, [kind, der.make(wrapped.tag, [inner])]).encoded


def with_signer(token: bytes, change) -> bytes:
    """As ``rebuilt``, for the fields of the only SignerInfo."""

    def changed(parts):
        (signer,) = parts[-1].children
        parts[-1] = der.make(der.SET, [der.make(der.SEQUENCE, change(list(signer.children)))])
        return parts

    return rebuilt(token, changed)


def attributed(token: bytes, number: int = 1) -> bytes:
    """Return the token with an unsigned attribute: OID 1.2.3.4 and one integer."""
    value = der.make(der.SET, [der.Node(der.INTEGER, bytes([number]))])
    attribute = der.make(der.SEQUENCE, [der.Node(der.OID, b"\x2a\x03\x04"), value])
    return with_signer(token, lambda fields: [*fields, der.make(der.context(1), [attribute])])


def twin(token: bytes) -> bytes:
    """Return the token with the ECDSA signature (r, n - s) for (r, s)."""

    def negated(fields):
        at = max(i for i, field in enumerate(fields) if field.tag == der.OCTETS)
        r, s = der.parse(fields[at].content).children
        other = P256 - der.integer(s)
        raw = other.to_bytes(other.bit_length() // 8 + 1, "big")
        fields[at] = der.Node(der.OCTETS, der.make(der.SEQUENCE, [r, der.Node(der.INTEGER, raw)]).encoded)
        return fields

    return with_signer(token, negated)
