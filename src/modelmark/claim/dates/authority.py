"""A timestamp authority that the reader trusts: one root certificate, and what leads from it to the authority's signer.

Trust ends at the pinned certificate and nowhere else, so a file of certificates is put into order by who issued whom, not by
which stands first: there is one root in it, every other certificate is below that root, and none of them is trusted by itself.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from modelmark import files
from modelmark.errors import MalformedError

MOST_CERTIFICATES = 16
"""In a file or a token; authorities publish five at most, and each pair may cost a check of a signature."""
_LIMIT = 2**20
# what a file is instead, by what stands in it, and the way on
_INSTEAD = (
    (b"PRIVATE KEY-----", "a private key", "certificates are public; keep this file to yourself"),
    (b"BEGIN CERTIFICATE REQUEST", "a request for a certificate", "give the certificate that was issued for it"),
    (b"BEGIN TRUSTED CERTIFICATE", "OpenSSL's own form of a certificate", "openssl x509 -in FILE -out OUT writes the usual one"),
    (b"<html", "a web page", "download the certificate itself"),
)  # fmt: skip


@dataclass(frozen=True)
class Authority:
    """A timestamp authority that the reader trusts.

    Args:
        anchor: certificate (DER) where trust ends: the root above the authority's own.
        others: certificates (DER) below it that the authority's tokens leave out; never trusted by themselves.
    """

    anchor: bytes = field(repr=False)
    others: tuple[bytes, ...] = field(default=(), repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the anchor, hex; claims name authorities by it."""
        return hashlib.sha256(self.anchor).hexdigest()

    @cached_property
    def root(self) -> x509.Certificate:
        """The anchor, parsed."""
        return x509.load_der_x509_certificate(self.anchor)

    @property
    def name(self) -> str:
        """The anchor's subject, for people."""
        return self.root.subject.rfc4514_string()

    @classmethod
    def load(cls, path: Path | str) -> "Authority":
        """Return the authority in a file: PEM in any order and with any text around, DER, or PKCS #7.

        Raises:
            MalformedError: no certificate in it, no root or two, or one that is not below the root.
        """
        data = files.read(Path(path), limit=_LIMIT, what="certificates (PEM)")
        try:
            return cls(*_ordered(data, path))
        except MalformedError:
            raise
        except Exception as error:  # certificates are parsed where they are looked at, with exceptions of many kinds
            raise MalformedError(
                f"expected certificates (PEM) in {path}, got a damaged one: {str(error).splitlines()[0][:100]}"
            ) from None


def _ordered(data: bytes, path: Path | str) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the root in a file, and the certificates below it, nearest first."""
    found = list(dict.fromkeys(_certificates(data, path)))
    if len(found) > MOST_CERTIFICATES:
        raise MalformedError(f"expected at most {MOST_CERTIFICATES} certificates in {path}, got {len(found)}")
    root = _root(found, path)
    below = _below(root, [one for one in found if one != root])
    strangers = [one for one in found if one != root and one not in below and not _twin(one, root)]
    if strangers:
        raise MalformedError(
            f"expected certificates below {_name(root)} in {path}, got {_name(strangers[0])}, which is not",
            hint="one authority a file; --authority may be repeated",
        )
    return root.public_bytes(Encoding.DER), tuple(one.public_bytes(Encoding.DER) for one in below)


def _certificates(data: bytes, path: Path | str) -> list[x509.Certificate]:
    try:
        if b"-----BEGIN CERTIFICATE-----" in data or b"-----BEGIN X509 CERTIFICATE-----" in data:
            return x509.load_pem_x509_certificates(data)
        if b"-----BEGIN PKCS7-----" in data:
            return pkcs7.load_pem_pkcs7_certificates(data)
        if data[:1] == b"\x30":
            try:
                return [x509.load_der_x509_certificate(data)]
            except ValueError:
                return pkcs7.load_der_pkcs7_certificates(data)
    except (ValueError, UnsupportedAlgorithm):
        pass
    what, hint = next(((what, hint) for mark, what, hint in _INSTEAD if mark in data), ("something else", ""))
    raise MalformedError(f"expected certificates (PEM) in {path}, got {what}", hint=hint)


def _root(found: list[x509.Certificate], path: Path | str) -> x509.Certificate:
    roots = [one for one in found if one.issuer == one.subject]
    if len(roots) > 1:
        raise MalformedError(
            f"expected one root certificate in {path}, got {_name(roots[0])} and {_name(roots[1])}: trust ends at one",
            hint="one authority a file; --authority may be repeated",
        )
    if not roots:
        subjects = [one.subject for one in found]
        top = next((one for one in found if one.issuer not in subjects), found[0])
        raise MalformedError(
            f"expected a root certificate in {path}, got none: {_name(top)} was issued by {_named(top.issuer)}",
            hint="add the root certificate of that name, as the authority publishes it",
        )
    return roots[0]


def _below(root: x509.Certificate, rest: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return those of ``rest`` from which a chain of issuers leads to ``root``, nearest first."""
    reached, found = [root], list[x509.Certificate]()
    while reached:
        reached = [one for one in rest if one not in found and _issued(one, reached)]
        found += reached
    return found


def _issued(certificate: x509.Certificate, issuers: Iterable[x509.Certificate]) -> bool:
    for issuer in issuers:
        try:
            certificate.verify_directly_issued_by(issuer)  # compares names first
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            continue
        return True
    return False


def _twin(one: x509.Certificate, root: x509.Certificate) -> bool:
    """Return whether a certificate is the root's own key under another issuer: a cross-certificate, which is not needed."""
    return one.subject == root.subject and one.public_key() == root.public_key()


def _name(certificate: x509.Certificate) -> str:
    return _named(certificate.subject)


def _named(name: x509.Name) -> str:
    return name.rfc4514_string()[:100]
