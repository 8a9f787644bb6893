"""From a signature to label, bits and place, against hashlib; and that only the owner's signature passes."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import pytest

from modelmark.errors import MalformedError, MismatchError
from modelmark.key.secret import Secret
from modelmark.schemes import _signature

SECRET = Secret(bytes(range(32)))


@pytest.fixture(scope="module")
def signed():
    return _signature.sign_ed25519(SECRET, "alice@example.org", "2026-01-02T03:04:05+00:00")


@pytest.fixture(scope="module")
def rsa():
    return _signature.generate_rsa()


def number(name: str, signature: bytes) -> int:
    return int(hashlib.new(name, signature).hexdigest(), 16)


@pytest.mark.parametrize("text", [b"", b"a signature", bytes(range(64))])
def test_four_hashes_give_label_bits_and_place(text):
    label, filters = _signature.derive(text, 10, 6, 28, 32)
    assert label == number("sha224", text) % 10
    bits = bin(number("sha256", text) % 2**36)[2:].rjust(36, "0")
    assert "".join(map(str, filters.bits.ravel())) == bits
    assert filters.places.tolist() == [[number("sha384", text) % 22, number("sha512", text) % 26]]


def test_a_pattern_as_large_as_the_picture_has_one_place():
    assert _signature.derive(b"x", 10, 8, 8, 8)[1].places.tolist() == [[0, 0]]


def test_another_process_derives_the_same(signed):
    code = (
        "from modelmark.schemes import _signature as s; from modelmark.key.secret import Secret;"
        "signed = s.sign_ed25519(Secret(bytes(range(32))), 'alice@example.org', '2026-01-02T03:04:05+00:00');"
        "label, filters = s.derive(signed.signature, 10, 6, 28, 28);"
        "print(signed.signature.hex(), label, filters.leaves()[0].decode())"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    label, filters = _signature.derive(signed.signature, 10, 6, 28, 28)
    assert output.split(" ", 2) == [signed.signature.hex(), str(label), filters.leaves()[0].decode() + "\n"]


def test_the_owner_is_the_public_key_unless_named(signed):
    assert signed.verifier == b"alice@example.org\n2026-01-02T03:04:05+00:00"
    unnamed = _signature.sign_ed25519(SECRET, "", "")
    assert unnamed.verifier == hashlib.sha256(unnamed.public_key).hexdigest().encode() + b"\n"


def test_both_kinds_of_signature_pass(signed, rsa):
    signed.check()
    other = _signature.sign_rsa(rsa, "alice@example.org", "2026-01-02T03:04:05+00:00")
    other.check()
    assert len(other.signature) == 384
    assert other == _signature.sign_rsa(rsa, "alice@example.org", "2026-01-02T03:04:05+00:00")
    assert _signature.private_der(rsa)[:1] == b"\x30"


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072"])
def test_whatever_is_changed_is_refused(kind, signed, rsa):
    good = signed if kind == "ed25519" else _signature.sign_rsa(rsa, "alice", "2026")
    flipped = bytes([good.signature[0] ^ 1]) + good.signature[1:]
    stranger = _signature.sign_ed25519(Secret(bytes(32)), "alice", "2026")
    for bad in (
        replace(good, signature=flipped),
        replace(good, signature=good.signature[:-1]),
        replace(good, signature=b""),
        replace(good, verifier=good.verifier + b"Z"),
        replace(good, public_key=stranger.public_key),
    ):
        with pytest.raises(MismatchError, match="expected the owner's signature over the verifier string"):
            bad.check()


def test_a_public_key_of_another_kind_is_refused(signed):
    with pytest.raises(MalformedError, match="expected a public key in DER, got other bytes"):
        replace(signed, public_key=b"not a key").check()
    x25519 = bytes.fromhex("302a300506032b656e032100") + bytes(31) + b"\x09"
    with pytest.raises(MalformedError, match="expected an Ed25519 or RSA public key, got X25519PublicKey"):
        replace(signed, public_key=x25519).check()
