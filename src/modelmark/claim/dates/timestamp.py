"""RFC 3161 timestamps: asking for one, and checking one offline against a pinned authority.

What an authority signs and nobody else can make is the TSTInfo and its signature; a draw binds these two and nothing else.
Certificates, their order and unsigned attributes can be changed by whoever holds a token, and an ECDSA signature ``(r, s)``
has a twin ``(r, -s)`` that verifies too, so of ECDSA only ``r`` counts: each of these would be a free second draw.
"""

import contextlib
import datetime
import hashlib
import importlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelmark import files, hashing
from modelmark.claim.dates import der
from modelmark.claim.papers.dispute import MAX_TOKEN
from modelmark.errors import MalformedError, MissingPackageError

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_SHA2 = {bytes.fromhex("6086480165030402" + last) for last in ("01", "02", "03")}
_GRANTED = der.make(der.SEQUENCE, [der.Node(der.INTEGER, b"\0")])


@dataclass(frozen=True)
class Authority:
    """A timestamp authority that the reader trusts.

    Args:
        anchor: certificate (DER) where trust ends: the authority's own, or the root above it.
        others: intermediate certificates (DER) that the authority's tokens leave out.
    """

    anchor: bytes = field(repr=False)
    others: tuple[bytes, ...] = field(default=(), repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the anchor, hex; claims name authorities by it."""
        return hashlib.sha256(self.anchor).hexdigest()

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Anchor and others, parsed."""
        return tuple(x509.load_der_x509_certificate(raw) for raw in (self.anchor, *self.others))

    @property
    def name(self) -> str:
        """The anchor's subject, for people."""
        return self.certificates[0].subject.rfc4514_string()

    @classmethod
    def load(cls, path: Path | str) -> "Authority":
        """Return the authority in a PEM file: the anchor first, intermediates after it.

        Raises:
            MalformedError: there is no certificate in it.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        data = files.read(Path(path), limit=2**20, what="certificates (PEM)")
        try:
            loaded = [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(data)]
        except ValueError:
            raise MalformedError(f"expected certificates (PEM) in {path}, got something else") from None
        return cls(loaded[0], tuple(loaded[1:]))


@dataclass(frozen=True)
class Stamp:
    """What a checked token says.

    Args:
        authority: fingerprint of the authority.
        time: when the authority saw the message, UTC.
        accuracy: how far its clock may be off, as far as it says.
        binding: 32 bytes that only the authority could have made; what a draw is made of.
    """

    authority: str
    time: datetime.datetime
    accuracy: datetime.timedelta
    binding: bytes

    @property
    def latest(self) -> datetime.datetime:
        """The message existed at this time, whatever the clock's error."""
        return self.time + self.accuracy


def request(message: bytes) -> bytes:
    """Return a fresh request (DER, with a nonce) to stamp ``message``; ``application/timestamp-query``."""
    client = _client()
    builder = client.TimestampRequestBuilder().data(message).hash_algorithm(client.HashAlgorithm.SHA512)
    return bytes(builder.nonce(nonce=True).cert_request(cert_request=True).build().as_bytes())


def receive(response: bytes, asked: bytes, message: bytes, authority: Authority) -> bytes:
    """Return the token in an authority's response (DER), spelled as deposits hold it.

    Args:
        response: what the authority answered.
        asked: the request; its nonce must come back.
        message: what was to be stamped.
        authority: whose token it is to be.

    Raises:
        MalformedError: not a response to this request, or the authority refused.
    """
    try:
        status, *rest = der.expect(der.parse(response), der.SEQUENCE).children
        code = der.integer(der.expect(status, der.SEQUENCE).children[0])
        if code not in (0, 1) or len(rest) != 1:
            raise MalformedError(f"expected a token from the authority, got a refusal with status {code}")
        token = normalise(rest[0].encoded)
        wanted = _nonce(der.parse(asked).children[2:], der.INTEGER)
        given = _nonce(der.parse(_anatomy(token)[0]).children[5:], der.INTEGER)
    except (ValueError, IndexError):
        raise MalformedError("expected a timestamp response (DER), got something else") from None
    if given != wanted:
        raise MalformedError("expected the answer to this request, got the answer to another")
    verify(token, message, authority)
    return token


def normalise(token: bytes) -> bytes:
    """Return a token with its certificates in DER's order, each once, and without unsigned attributes.

    Authorities often send certificates in another order than DER's, which strict readers refuse. No signature covers it.

    Raises:
        MalformedError: not a token.
    """
    try:
        kind, wrapped = der.parse(token).children
        (signed,) = wrapped.children
        parts = list(signed.children)
        for number, part in enumerate(parts):
            if part.tag == der.context(0):
                unique = {child.encoded: child for child in part.children}
                parts[number] = der.make(part.tag, [unique[raw] for raw in sorted(unique)])
        signers = [
            der.make(der.SEQUENCE, [field for field in signer.children if field.tag != der.context(1)])
            for signer in der.expect(parts[-1], der.SET).children
        ]
        parts[-1] = der.make(der.SET, signers)
        whole = der.make(wrapped.tag, [der.make(signed.tag, parts)])
        return der.make(der.SEQUENCE, [kind, whole]).encoded
    except (ValueError, IndexError):
        raise MalformedError("expected a timestamp token (DER), got something else") from None


def verify(token: bytes, message: bytes, authority: Authority) -> Stamp:
    """Return what a token says about ``message``, checked offline against a pinned authority.

    Args:
        token: TimeStampToken (DER), as ``receive`` returned it.
        message: what it is said to stamp.
        authority: pinned.

    Raises:
        MalformedError: not a token, or its signature, chain, purpose or message is not what it must be.
        MissingPackageError: the package that checks it is not installed.
    """
    client = _client()
    if len(token) > MAX_TOKEN:
        raise MalformedError(f"expected a timestamp token of at most {MAX_TOKEN} bytes, got {len(token)}")
    try:
        info, signature = _anatomy(token)
        response = client.decode_timestamp_response(der.make(der.SEQUENCE, [_GRANTED, der.parse(token)]).encoded)
        if response.time_stamp_token() != token:
            raise ValueError("another spelling")
        _require_one_signer(response, authority)
        builder = client.VerifierBuilder(
            roots=[authority.certificates[0]], intermediates=list(authority.certificates[1:])
        )
        builder.build().verify_message(response, message)
        said = response.tst_info
        accuracy = said.accuracy
        clock = (
            datetime.timedelta(
                seconds=accuracy.seconds or 0, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0
            )
            if accuracy is not None
            else datetime.timedelta(0)
        )
        moment = said.gen_time.astimezone(datetime.UTC)
    except client.VerificationError as error:
        raise MalformedError(
            f"expected a valid token of {authority.name}, got one that fails: {_reason(error)}"
        ) from None
    except Exception as error:  # two libraries parse hostile bytes here, with exceptions of many kinds
        raise MalformedError(f"expected a timestamp token (DER), got something else: {str(error)[:200]}") from None
    return Stamp(authority.fingerprint, moment, clock, hashing.digest("token", info, _core(signature)))


def _reason(error: Exception) -> str:
    """Return what OpenSSL says, without the stack of errors around it."""
    inner = re.search(r'reason: "([^"]{1,100})"', str(error))
    return inner[1] if inner else str(error)[:200]


def _anatomy(token: bytes) -> tuple[bytes, bytes]:
    """Return TSTInfo (DER) and signature value of a token with exactly one signer and a SHA-2 digest.

    Raises:
        ValueError: it is built otherwise.
    """
    kind, wrapped = der.expect(der.parse(token), der.SEQUENCE).children
    (signed,) = der.expect(wrapped, der.context(0)).children
    parts = der.expect(signed, der.SEQUENCE).children
    inner, content = der.expect(parts[2], der.SEQUENCE).children
    (octets,) = der.expect(content, der.context(0)).children
    if (kind.tag, kind.content, inner.tag, inner.content) != (der.OID, _SIGNED_DATA, der.OID, _TST_INFO):
        raise ValueError("not a TSTInfo in signed data")
    (signer,) = der.expect(parts[-1], der.SET).children
    fields = der.expect(signer, der.SEQUENCE).children
    if der.expect(fields[2], der.SEQUENCE).children[0].content not in _SHA2:
        raise ValueError("a digest that is not SHA-2")
    der.expect(fields[3], der.context(0))  # signed attributes, which hold the digest of the TSTInfo
    return der.expect(octets, der.OCTETS).content, der.expect(fields[5], der.OCTETS).content


def _core(signature: bytes) -> bytes:
    """Return what of a signature its signer alone decides: r of ECDSA's ``(r, s)``, any other signature whole."""
    with contextlib.suppress(ValueError):
        r, s = (der.integer(node) for node in der.expect(der.parse(signature), der.SEQUENCE).children)
        if r > 0 and s > 0:
            return r.to_bytes((r.bit_length() + 7) // 8, "big")
    return signature


def _require_one_signer(response: Any, authority: Authority) -> None:
    """Raise unless exactly one certificate at hand bears the signer's name and number, and it may only stamp times.

    Two certificates with one name and number could let one pass the check of purpose and the other that of the signature.
    """
    (signer,) = response.signed_data.signer_infos
    raw = set(response.signed_data.certificates) | {authority.anchor, *authority.others}
    own = [
        certificate
        for certificate in map(x509.load_der_x509_certificate, raw)
        if certificate.issuer == signer.issuer and certificate.serial_number == signer.serial_number
    ]
    if len(own) != 1:
        raise ValueError(f"expected one certificate of the signer, got {len(own)}")
    try:
        purpose = own[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise ValueError("a certificate without a purpose") from None
    if not purpose.critical or list(purpose.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("a certificate for other purposes than timestamps")


def _nonce(fields: tuple[der.Node, ...], tag: int) -> int | None:
    """Return the first integer among ``fields``: in requests and in TSTInfo it is the nonce."""
    return next((der.integer(node) for node in fields if node.tag == tag), None)


def _client() -> Any:
    try:
        return importlib.import_module("rfc3161_client")
    except ImportError:
        raise MissingPackageError(
            "expected the package rfc3161-client, which checks timestamps", hint="pip install 'modelmark[evidence]'"
        ) from None
