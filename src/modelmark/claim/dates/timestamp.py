"""RFC 3161 timestamps: asking for one, and checking one offline against a pinned authority."""

import datetime
import importlib
import re
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelmark.claim.dates import answers, der, signing_certificate, token
from modelmark.claim.dates.authority import MOST_CERTIFICATES, Authority
from modelmark.claim.dates.token import normalise
from modelmark.claim.papers.dispute import MAX_TOKEN
from modelmark.errors import MalformedError, MissingPackageError

__all__ = ["Authority", "Stamp", "normalise", "receive", "request", "verify"]


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
    answer = answers.read(response, asked)
    verify(answer.token, message, authority)
    return answer.token


def verify(raw: bytes, message: bytes, authority: Authority) -> Stamp:
    """Return what a token says about ``message``, checked offline against a pinned authority.

    The chain of certificates ends at the pinned one: it alone is trusted, while those in the token and those that the reader
    has beside it may lie between. Each call has a verifier of its own, as the package's builders share their lists.

    Args:
        raw: TimeStampToken (DER), as ``receive`` returned it.
        message: what it is said to stamp.
        authority: pinned.

    Raises:
        MalformedError: not a token, or its signature, chain, purpose or message is not what it must be.
        MissingPackageError: the package that checks it is not installed.
    """
    client = _client()
    if len(raw) > MAX_TOKEN:
        raise MalformedError(f"expected a timestamp token of at most {MAX_TOKEN} bytes, got {len(raw)}")
    try:
        parts = token.anatomy(raw)
        if _decoded(client, raw).time_stamp_token() != raw:
            raise ValueError("another spelling")
        held = {*parts.certificates, *authority.others}
        if len(held) > MOST_CERTIFICATES:
            raise ValueError(f"expected at most {MOST_CERTIFICATES} certificates, got {len(held)}")
        response = _decoded(client, token.with_certificates(raw, authority.others))
        signing_certificate.require(parts.attributes, _signer(response, held | {authority.anchor}))
        client.VerifierBuilder(roots=[authority.root]).build().verify_message(response, message)
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
    except MalformedError:
        raise
    except client.VerificationError as error:
        raise MalformedError(
            f"expected a valid token of {authority.name}, got one that fails: {_reason(error)}"
        ) from None
    except Exception as error:  # two libraries parse hostile bytes here, with exceptions of many kinds
        raise MalformedError(f"expected a timestamp token (DER), got something else: {str(error)[:200]}") from None
    return Stamp(authority.fingerprint, moment, clock, parts.binding)


def _decoded(client: Any, raw: bytes) -> Any:
    return client.decode_timestamp_response(der.make(der.SEQUENCE, [answers.GRANTED, der.parse(raw)]).encoded)


def _reason(error: Exception) -> str:
    """Return what OpenSSL says, without the stack of errors around it."""
    inner = re.search(r'reason: "([^"]{1,100})"', str(error))
    return inner[1] if inner else str(error)[:200]


def _signer(response: Any, raw: set[bytes]) -> bytes:
    """Return the one certificate (DER) at hand that bears the signer's name and number; it may only stamp times.

    Two certificates with one name and number could let one pass the check of purpose and the other that of the signature.
    """
    (signer,) = response.signed_data.signer_infos
    own = [
        data
        for data, certificate in ((one, x509.load_der_x509_certificate(one)) for one in raw)
        if certificate.issuer == signer.issuer and certificate.serial_number == signer.serial_number
    ]
    if len(own) != 1:
        raise ValueError(f"expected one certificate of the signer, got {len(own)}")
    try:
        purpose = x509.load_der_x509_certificate(own[0]).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise ValueError("a certificate without a purpose") from None
    if not purpose.critical or list(purpose.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("a certificate for other purposes than timestamps")
    return own[0]


def _client() -> Any:
    try:
        return importlib.import_module("rfc3161_client")
    except ImportError:
        raise MissingPackageError(
            "expected the package rfc3161-client, which checks timestamps", hint="pip install 'modelmark[evidence]'"
        ) from None
