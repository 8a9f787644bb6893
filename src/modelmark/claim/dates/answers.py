"""What an authority sent back: the token in it and what the authority said beside it; or what it is instead, and the way on.

Source: RFC 3161 section 2.4.2 (TimeStampResp, PKIStatus, PKIFailureInfo).
"""

import base64
import binascii
from dataclasses import dataclass

from cryptography import x509

from modelmark.claim.dates import der
from modelmark.claim.dates.token import SIGNED_DATA, Anatomy, anatomy, first_integer, normalise
from modelmark.claim.papers.dispute import MAX_TOKEN
from modelmark.errors import MalformedError

GRANTED = der.make(der.SEQUENCE, [der.Node(der.INTEGER, b"\0")])
MOST_BYTES = MAX_TOKEN + 2**12
"""Of a response: a token, and what is said beside it."""
_STATUS = ("granted", "granted with changes", "rejection", "waiting", "revocation warning", "revocation notification")
# bit of PKIFailureInfo -> what it says
_FAILURES = {
    0: "unknown or unsupported digest", 2: "bad request", 5: "bad data format", 14: "no source of time",
    15: "unknown policy", 16: "unknown extension", 17: "additional information not available", 25: "system failure",
}  # fmt: skip
_BITS, _UTF8 = 0x03, 0x0C
_WRAP = "openssl ts -reply -token_in -in FILE -out OUT makes a response of it"
_DECODE = "base64 -d FILE > OUT gives the bytes"
_POST = "post the request to the authority's address for RFC 3161, as application/timestamp-query"
# the first bytes, in small letters, of what is no DER; what that is, and the way on
_TEXTS = (
    (b"<", "a web page", _POST),
    (b"http/", "an answer with its HTTP headers", "keep what follows the empty line: curl without -i"),
    (b"{", "JSON", _POST),
)


@dataclass(frozen=True)
class Answer:
    """A response that holds a token.

    Args:
        token: as deposits hold it; not verified.
        remark: where the authority granted the request with changes: what it said about them. Else empty.
    """

    token: bytes
    remark: str = ""


def read(response: bytes, asked: bytes) -> Answer:
    """Return the token in an authority's response (DER).

    Whoever is granted a token with changes gets one all the same, and it is verified like any other; what was changed
    cannot be digest or nonce, which are compared with the request's, so the remark is for people.

    Args:
        response: what the authority answered.
        asked: the request; its nonce must come back.

    Raises:
        MalformedError: not a response to this request, or the authority refused.
    """
    if len(response) > MOST_BYTES:
        raise MalformedError(f"expected a timestamp response of at most {MOST_BYTES} bytes, got {len(response)}")
    try:
        status, *rest = der.expect(der.parse(response), der.SEQUENCE).children
        said = der.expect(status, der.SEQUENCE).children
        code = der.integer(said[0])
    except (ValueError, IndexError):
        what, hint = instead(response)
        raise MalformedError(f"expected a timestamp response (DER), got {what}", hint=hint) from None
    words = _words(said[1:])
    if code not in (0, 1) or len(rest) != 1:
        name = _STATUS[code] if 0 <= code < len(_STATUS) else "no such status"
        raise MalformedError(
            f"expected a token from the authority, got a refusal with status {code} ({name}{words and f': {words}'})"
        )
    wanted = _nonce(asked)
    token = normalise(rest[0].encoded)
    if _anatomy(token).nonce != wanted:
        raise MalformedError("expected the answer to this request, got the answer to another")
    return Answer(token, f"granted with changes: {words or 'it does not say which'}" if code else "")


def instead(data: bytes) -> tuple[str, str]:
    """Return what bytes are that are no response, and the way on."""
    text = data.lstrip().lower()
    for start, what, hint in _TEXTS:
        if text.startswith(start):
            return what, hint
    try:
        body = b"".join(line for line in data.splitlines() if not line.startswith(b"-----"))
        inner = base64.b64decode(body, validate=True)
        if inner[:1] == b"\x30":
            return f"the Base64 of {instead(inner)[0]}", _DECODE
    except binascii.Error:
        pass
    try:
        first = der.expect(der.parse(data), der.SEQUENCE).children[0]
    except (ValueError, IndexError) as error:
        return (f"a damaged one ({error})", "fetch it again") if data[:1] == b"\x30" else ("something else", "")
    if first.tag == der.OID and first.content == SIGNED_DATA:
        return ("a bare token", _WRAP) if _is_token(data) else ("signed data without a timestamp", "")
    if first.tag == der.INTEGER:
        return "a timestamp request", "give it as --query, and the authority's answer to it as --response"
    try:
        x509.load_der_x509_certificate(data)
    except Exception:  # of many kinds
        return ("a response" if first.tag == der.SEQUENCE else "something else"), ""
    return "a certificate", "give it as --authority if it is the root, and the authority's answer as --response"


def _is_token(data: bytes) -> bool:
    try:
        anatomy(data)
    except (ValueError, IndexError):
        return False
    except MalformedError:  # of SHA-1
        return True
    return True


def _nonce(asked: bytes) -> int | None:
    try:
        fields = der.expect(der.parse(asked), der.SEQUENCE).children
        der.integer(fields[0])
        return first_integer(fields[2:])
    except (ValueError, IndexError):
        what, _ = instead(asked)
        hint = "modelmark deposit --request writes it; keep it for the answer"
        raise MalformedError(f"expected a timestamp request (DER), got {what}", hint=hint) from None


def _anatomy(token: bytes) -> Anatomy:
    try:
        return anatomy(token)
    except (ValueError, IndexError):
        raise MalformedError("expected a timestamp token in the response, got something else") from None


def _words(fields: tuple[der.Node, ...] | list[der.Node]) -> str:
    """Return status strings and names of failures, one after the other, in one line of at most 200 characters."""
    out = []
    for field in fields:
        if field.tag == der.SEQUENCE:
            texts = (part.content for part in field.children if part.tag == _UTF8)
            out += [text.decode(errors="replace") for text in texts]
        elif field.tag == _BITS:
            bits = "".join(f"{byte:08b}" for byte in field.content[1:5])
            out += [_FAILURES.get(number, f"failure {number}") for number, bit in enumerate(bits) if bit == "1"]
    line = " ".join("; ".join(out).split())
    return "".join(character for character in line if character.isprintable())[:200]
