"""What is handed over as an authority's answer: taken, refused in the authority's words, or named as what it is instead."""

import base64

import pytest

from modelmark.claim.dates import answers, der, timestamp
from modelmark.claim.dates.token import SHA1
from modelmark.errors import MalformedError

MESSAGE = b"a claim"
SHA256 = bytes.fromhex("608648016503040201")


@pytest.fixture(scope="module")
def answered(authorities):
    """Return authority, request and response."""
    local, authority = authorities()
    asked = timestamp.request(MESSAGE)
    return authority, asked, local.answer(asked)


def status(code: int, *fields: der.Node) -> der.Node:
    return der.make(der.SEQUENCE, [der.Node(der.INTEGER, bytes([code])), *fields])


def words(*texts: str) -> der.Node:
    return der.make(der.SEQUENCE, [der.Node(0x0C, text.encode()) for text in texts])


def response(*parts: der.Node) -> bytes:
    return der.make(der.SEQUENCE, parts).encoded


def inner(raw: bytes) -> der.Node:
    return der.parse(raw).children[1]


def refusal(answered, data: bytes, asked: bytes = b"") -> tuple[str, str]:
    authority, own, _ = answered
    with pytest.raises(MalformedError) as caught:
        timestamp.receive(data, asked or own, MESSAGE, authority)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value), caught.value.hint


def test_a_token_granted_with_changes_is_taken_and_its_reason_told(answered) -> None:
    """The package takes a plain grant alone; what an authority may change is compared with the request anyway."""
    client = pytest.importorskip("rfc3161_client")
    authority, asked, raw = answered
    changed = response(status(1, words("another policy", "less\x1b[2Jaccuracy")), inner(raw))
    verifier = client.VerifierBuilder(roots=[authority.root]).build()
    with pytest.raises(client.VerificationError, match="not GRANTED"):
        verifier.verify_message(client.decode_timestamp_response(changed), MESSAGE)
    assert answers.read(changed, asked).remark == "granted with changes: another policy; less[2Jaccuracy"
    assert answers.read(response(status(1), inner(raw)), asked).remark == "granted with changes: it does not say which"
    assert answers.read(raw, asked) == answers.Answer(timestamp.receive(changed, asked, MESSAGE, authority))


@pytest.mark.parametrize(
    ("code", "fields", "said"),
    [
        (2, [], r"a refusal with status 2 \(rejection\)$"),
        (2, [der.Node(0x03, b"\x05\x20")], r"2 \(rejection: bad request\)"),
        (
            2,
            [words("no more today"), der.Node(0x03, b"\x06\x00\x00\x00\x40")],
            r"\(rejection: no more today; system failure\)",
        ),
        (3, [words("later")], r"status 3 \(waiting: later\)"),
        (9, [], r"status 9 \(no such status\)"),
        (2, [words("x" * 5000)], r"\(rejection: x{200}\)"),
    ],
)
def test_a_refusal_is_told_in_the_authoritys_words(answered, code, fields, said) -> None:
    import re

    assert re.search(said, refusal(answered, response(status(code, *fields)))[0])


def test_what_is_no_response_is_named_and_the_way_on_is_told(answered) -> None:
    """All of these were 'expected a timestamp response (DER), got something else'."""
    authority, asked, raw = answered
    token, text = inner(raw).encoded, base64.b64encode(raw)
    wrapped = b"\n".join(base64.b64encode(inner(raw).encoded)[i : i + 64] for i in range(0, 9000, 64))
    for data, said, hint in (
        (token, "got a bare token", "openssl ts -reply -token_in"),
        (base64.b64encode(token), "got the Base64 of a bare token", "base64 -d"),
        (wrapped, "got the Base64 of a bare token", "base64 -d"),
        (text, "got the Base64 of a response", "base64 -d"),
        (b"-----BEGIN PKCS7-----\n" + text + b"\n-----END PKCS7-----\n", "got the Base64 of a response", "base64 -d"),
        (b"\n<!DOCTYPE html><html>", "got a web page", "application/timestamp-query"),
        (b"<?xml", "got a web page", "application/timestamp-query"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + raw, "got an answer with its HTTP headers", "curl without -i"),
        (b'{"error":"busy"}', "got JSON", "application/timestamp-query"),
        (asked, "got a timestamp request", "as --query"),
        (authority.anchor, "got a certificate", "as --authority"),
        (
            raw[:-1],
            f"got a damaged one (expected {len(raw) - 4} bytes of content, got {len(raw) - 5})",
            "fetch it again",
        ),
        (raw + b"\n", "got a damaged one (expected nothing after the element, got 1 bytes)", "fetch it again"),
        (b"busy, try again", "got something else", ""),
        (b"", "got something else", ""),
    ):
        found = refusal(answered, data)
        assert said in found[0], data[:40]
        assert hint in found[1], data[:40]


def with_digest(node: der.Node, old: bytes, new: bytes) -> der.Node:
    """Return an element with an algorithm's name replaced wherever it stands."""
    if node.tag == der.OID and node.content == old:
        return der.Node(der.OID, new)
    if node.tag & 0x20:
        return der.make(node.tag, [with_digest(child, old, new) for child in node.children])
    return node


def test_sha1_is_named_in_the_signature_and_in_what_is_stamped(answered) -> None:
    _, _, raw = answered
    signer = with_digest(der.parse(raw), SHA256, SHA1).encoded
    assert refusal(answered, signer)[0] == "expected a token signed over SHA-2, got SHA-1"
    assert "SHA-256 or better" in refusal(answered, signer)[1]
    old = der.Node(der.OID, SHA1)
    imprint = der.make(der.SEQUENCE, [der.make(der.SEQUENCE, [old]), der.Node(der.OCTETS, bytes(20))])

    def stamped(parts):
        info = der.parse(parts[2].children[1].children[0].content)
        other = der.make(der.SEQUENCE, [*info.children[:2], imprint, *info.children[3:]])
        content = der.make(der.context(0), [der.Node(der.OCTETS, other.encoded)])
        return [*parts[:2], der.make(der.SEQUENCE, [parts[2].children[0], content]), *parts[3:]]

    import claim_tokens

    token = claim_tokens.rebuilt(inner(raw).encoded, stamped)
    said, hint = refusal(answered, response(status(0), der.parse(token)))
    assert said == "expected a stamp of a SHA-2 digest, got SHA-1"
    assert "asks for SHA-512" in hint


def test_a_bad_request_is_told_apart_from_a_bad_answer(answered) -> None:
    _, _, raw = answered
    for asked, what in (
        (raw, "a response"),
        (b"<html>", "a web page"),
        (base64.b64encode(answered[1]), "the Base64 of a timestamp"),
    ):
        said, hint = refusal(answered, raw, asked)
        assert f"expected a timestamp request (DER), got {what}" in said
        assert "deposit --request" in hint


def test_an_outsized_response_is_not_looked_at(answered) -> None:
    assert "at most" in refusal(answered, b"\x30\x84\x00\x10\x00\x00" + bytes(2**20))[0]
