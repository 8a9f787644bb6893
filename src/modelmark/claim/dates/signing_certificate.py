"""The signed attribute that names the signer's certificate by its digest, so that no other one can stand in for it.

Source: RFC 3161 section 2.4.1 asks for it; ESSCertID is RFC 2634 section 5.4, with SHA-1; ESSCertIDv2 is RFC 5035 section 4,
which RFC 5816 allows in timestamps.
Departs: certificates that the attribute lists after the signer's are not looked at; the chain ends at the pinned root anyway.
"""

import hashlib
import hmac

from modelmark.claim.dates import der
from modelmark.claim.dates.token import SHA2
from modelmark.errors import MalformedError

# attribute by object identifier (DER, without tag), and the digest that it uses unless it names one
_ATTRIBUTES = {
    bytes.fromhex("2a864886f70d010910020c"): ("ESSCertID", "sha1"),
    bytes.fromhex("2a864886f70d010910022f"): ("ESSCertIDv2", "sha256"),
}
_DIRECTORY = der.context(4)


def require(attributes: der.Node, certificate: bytes) -> None:
    """Check that the signed attributes name this certificate as the signer's.

    Args:
        attributes: the signer's signed attributes.
        certificate: of the signer (DER).

    Raises:
        MalformedError: they name none, or another.
        ValueError: they are not what such attributes are.
    """
    found = [part.children for part in attributes.children if part.children[0].content in _ATTRIBUTES]
    if not found:
        raise MalformedError("expected a token whose signed attributes name its signer's certificate, got none")
    if len({kind.content for kind, *_ in found}) < len(found):
        raise MalformedError("expected the signing-certificate attribute once, got it twice")
    for kind, values in found:
        name, usual = _ATTRIBUTES[kind.content]
        (value,) = der.expect(values, der.SET).children
        identifiers = der.expect(value, der.SEQUENCE).children[0]
        first = list(der.expect(identifiers, der.SEQUENCE).children[0].children)
        algorithm = usual
        if name == "ESSCertIDv2" and first[0].tag == der.SEQUENCE:
            algorithm = SHA2[first.pop(0).children[0].content]
        digest = hashlib.new(algorithm, certificate, usedforsecurity=False).digest()
        if not hmac.compare_digest(der.expect(first[0], der.OCTETS).content, digest):
            raise MalformedError(f"expected the signer's own certificate in {name}, got the digest of another")
        if len(first) > 1 and not _same(first[1], certificate):
            raise MalformedError(f"expected the signer's own certificate in {name}, got the number of another")


def _same(issuer_serial: der.Node, certificate: bytes) -> bool:
    """Return whether issuer and serial number are the certificate's."""
    names, number = der.expect(issuer_serial, der.SEQUENCE).children
    fields = [part for part in der.parse(certificate).children[0].children if part.tag != der.context(0)]
    serial, _, issuer = fields[:3]
    directory = [name.children[0] for name in names.children if name.tag == _DIRECTORY]
    return number == serial and directory == [issuer]
