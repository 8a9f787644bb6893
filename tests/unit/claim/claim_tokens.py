"""Timestamp tokens spelled anew: by somebody who has no key, and by an authority that signs what it should not."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from modelmark.claim.dates import der, timestamp

OLD_ATTRIBUTE, NEW_ATTRIBUTE = (bytes.fromhex(f"2a864886f70d01091002{last}") for last in ("0c", "2f"))
"""ESSCertID and ESSCertIDv2."""
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


def swapped(token: bytes, certificates: Sequence[bytes]) -> bytes:
    """Return the token with these certificates."""

    def changed(parts):
        at = next(i for i, part in enumerate(parts) if part.tag == der.context(0))
        parts[at] = der.make(der.context(0), [der.parse(raw) for raw in certificates])
        return parts

    return timestamp.normalise(rebuilt(token, changed))


def reissued(folder: Path, changes: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]) -> bytes:
    """Return another certificate (DER) of the signer's name, number and key, from its root: ``changes(builder)``."""
    root_key = load_pem_private_key((folder / "root.key").read_bytes(), None)
    own = x509.load_pem_x509_certificate((folder / "signer.pem").read_bytes())
    builder = x509.CertificateBuilder(own.issuer, own.subject, own.public_key(), own.serial_number)
    builder = builder.not_valid_before(own.not_valid_before_utc).not_valid_after(own.not_valid_after_utc)
    for extension in own.extensions:
        if not isinstance(extension.value, x509.ExtendedKeyUsage):
            builder = builder.add_extension(extension.value, extension.critical)
    return changes(builder).sign(root_key, hashes.SHA256()).public_bytes(Encoding.DER)


def named(certificate: bytes, *, kind: bytes = NEW_ATTRIBUTE, digest: str = "", serial: bytes = b"") -> der.Node:
    """Return the signing-certificate attribute that names a certificate; ``digest`` by its name, as ESSCertIDv2 may say it."""
    parts = [
        der.Node(
            der.OCTETS, hashlib.new(digest or ("sha1" if kind == OLD_ATTRIBUTE else "sha256"), certificate).digest()
        )
    ]
    if digest:
        number = {"sha256": "01", "sha384": "02", "sha512": "03"}[digest]
        parts.insert(0, der.make(der.SEQUENCE, [der.Node(der.OID, bytes.fromhex("6086480165030402" + number))]))
    if serial:
        issuer = der.parse(x509.load_der_x509_certificate(certificate).issuer.public_bytes())
        names = der.make(der.SEQUENCE, [der.make(der.context(4), [issuer])])
        parts.append(der.make(der.SEQUENCE, [names, der.Node(der.INTEGER, serial)]))
    value = der.make(der.SEQUENCE, [der.make(der.SEQUENCE, [der.make(der.SEQUENCE, parts)])])
    return der.make(der.SEQUENCE, [der.Node(der.OID, kind), der.make(der.SET, [value])])


def renamed(token: bytes, folder: Path, *attributes: der.Node) -> bytes:
    """Return the token with these signing-certificate attributes instead of its own, signed again by its authority."""
    key = load_pem_private_key((folder / "signer.key").read_bytes(), None)

    def changed(fields):
        kept = [part for part in fields[3].children if part.children[0].content not in (OLD_ATTRIBUTE, NEW_ATTRIBUTE)]
        ordered = sorted([*kept, *attributes], key=lambda part: part.encoded)
        signed = der.make(der.SET, ordered).encoded
        return [*fields[:3], der.make(der.context(0), ordered), fields[4],
                der.Node(der.OCTETS, key.sign(signed, ec.ECDSA(hashes.SHA256())))]  # fmt: skip

    return with_signer(token, changed)
