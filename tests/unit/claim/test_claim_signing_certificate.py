"""The attribute that names the signer's certificate is signed, asked for, and compared with the certificate at hand."""

import claim_tokens
import pytest
from claim_tokens import NEW_ATTRIBUTE, OLD_ATTRIBUTE, named, reissued, renamed, swapped
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelmark.claim.dates import der, timestamp
from modelmark.errors import MalformedError

MESSAGE = b"a claim"


@pytest.fixture(scope="module")
def stamped(authorities):
    """Return authority, its folder, a token of it and the certificate of its signer."""
    local, authority = authorities()
    asked = timestamp.request(MESSAGE)
    token = timestamp.receive(local.answer(asked), asked, MESSAGE, authority)
    signer = x509.load_pem_x509_certificate((local.folder / "signer.pem").read_bytes())
    return authority, local.folder, token, signer


def raw(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def stamps(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)


def serial(certificate: x509.Certificate) -> bytes:
    return certificate.serial_number.to_bytes(certificate.serial_number.bit_length() // 8 + 1, "big")


def test_another_certificate_of_the_signers_name_number_and_key_is_refused(stamped) -> None:
    """The package finds signer, purpose and chain in order; only the signed digest tells the two certificates apart."""
    client = pytest.importorskip("rfc3161_client")
    authority, folder, token, _ = stamped
    other = swapped(token, [reissued(folder, stamps)])
    granted = der.make(der.SEQUENCE, [der.make(der.SEQUENCE, [der.Node(der.INTEGER, b"\0")]), der.parse(other)])
    response = client.decode_timestamp_response(granted.encoded)
    verifier = client.VerifierBuilder(roots=[authority.root]).build()
    assert verifier.verify_message(response, MESSAGE)  # what was said of it before
    with pytest.raises(MalformedError, match="own certificate in ESSCertIDv2, got the digest of another"):
        timestamp.verify(other, MESSAGE, authority)


def test_every_form_of_the_attribute_is_read(stamped) -> None:
    authority, folder, token, signer = stamped
    own, number = raw(signer), serial(signer)
    for attributes in (
        [named(own)],
        [named(own, digest="sha384")],
        [named(own, digest="sha512", serial=number)],
        [named(own, kind=OLD_ATTRIBUTE)],
        [named(own, kind=OLD_ATTRIBUTE, serial=number)],
        [named(own, kind=OLD_ATTRIBUTE), named(own, kind=NEW_ATTRIBUTE)],
    ):
        assert timestamp.verify(renamed(token, folder, *attributes), MESSAGE, authority)


def test_an_attribute_that_is_absent_twice_there_or_of_another_certificate_is_refused(stamped) -> None:
    """Each is signed by the authority itself, so nothing but our own look at it can refuse it."""
    authority, folder, token, signer = stamped
    own, root = raw(signer), authority.anchor
    for attributes, said in (
        ([], "name its signer's certificate, got none"),
        ([named(root)], "ESSCertIDv2, got the digest of another"),
        ([named(root, kind=OLD_ATTRIBUTE)], "ESSCertID, got the digest of another"),
        ([named(own), named(root, kind=OLD_ATTRIBUTE)], "ESSCertID, got the digest of another"),
        ([named(own), named(own, digest="sha512")], "once, got it twice"),
        ([named(own, serial=b"\x05")], "the number of another"),
    ):
        with pytest.raises(MalformedError, match=said):
            timestamp.verify(renamed(token, folder, *attributes), MESSAGE, authority)


def test_the_attribute_is_signed(stamped) -> None:
    """Whoever has no key cannot put another in."""
    authority, _, token, _ = stamped

    def forged(fields):
        kept = [part for part in fields[3].children if part.children[0].content != NEW_ATTRIBUTE]
        other = sorted([*kept, named(authority.anchor)], key=lambda part: part.encoded)
        return [*fields[:3], der.make(der.context(0), other), *fields[4:]]

    with pytest.raises(MalformedError):
        timestamp.verify(claim_tokens.with_signer(token, forged), MESSAGE, authority)
