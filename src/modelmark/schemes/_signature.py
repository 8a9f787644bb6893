"""From a signature to a filter and a label: the key generation of the piracy-resistant watermark.

Source: Li, Wenger, Shan, Zhao, Zheng 2019, arXiv 1910.01226, key generation and verification. The owner signs a
verifier string, its identity and a timestamp; four independent hashes of the signature give the label, the bits and the
place. SHA-224, SHA-256, SHA-384 and SHA-512 are those of the public re-implementations.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from modelmark.carriers.filtered import Filters
from modelmark.errors import MalformedError, MismatchError
from modelmark.key.secret import Secret
from modelmark.schemes.base import Attachments

RSA_BITS = 3072
"""Of the modulus; the demonstrations of the paper's re-implementations use 512, which is broken."""
MAX_SIDE = 16
"""The bits of a pattern are one SHA-256, 256 of them."""


@dataclass(frozen=True)
class Signed:
    """A verifier string under its owner's signature.

    Args:
        public_key: DER, SubjectPublicKeyInfo; Ed25519 or RSA.
        verifier: the string that was signed.
        signature: over ``verifier``: Ed25519, or PKCS #1 v1.5 with SHA-256, which has no salt to search through.
    """

    public_key: bytes
    verifier: bytes
    signature: bytes

    def check(self) -> None:
        """Check the signature.

        Raises:
            MalformedError: the public key is not one of these two kinds.
            MismatchError: the signature is not this key's over this string.
        """
        try:
            key = load_der_public_key(self.public_key)
        except (ValueError, UnsupportedAlgorithm):
            raise MalformedError("expected a public key in DER, got other bytes") from None
        try:
            if isinstance(key, Ed25519PublicKey):
                return key.verify(self.signature, self.verifier)
            if isinstance(key, RSAPublicKey):
                return key.verify(self.signature, self.verifier, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise MismatchError("expected the owner's signature over the verifier string, got another") from None
        raise MalformedError(f"expected an Ed25519 or RSA public key, got {type(key).__name__}")


def attached(attachments: Attachments, name: str) -> bytes:
    """Return the bytes that a key holds under ``name``, checked."""
    found = attachments.get(name, np.empty(0))
    if found.dtype != np.uint8 or found.ndim != 1:
        raise MismatchError(f"expected attached {name} uint8 in one dimension, got {found.dtype} {found.shape}")
    return found.tobytes()


def verifier_string(owner: str, timestamp: str, public_key: bytes) -> bytes:
    """Return identity, a line feed and timestamp; an owner left empty is the SHA-256 of the public key, hex."""
    return f"{owner or hashlib.sha256(public_key).hexdigest()}\n{timestamp}".encode()


def sign_ed25519(secret: Secret, owner: str, timestamp: str) -> Signed:
    """Sign with the Ed25519 key that the secret gives; equal arguments, equal signature."""
    key = Ed25519PrivateKey.from_private_bytes(secret.bytes("signature/ed25519", 32))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verifier = verifier_string(owner, timestamp, public)
    return Signed(public, verifier, key.sign(verifier))


def generate_rsa() -> RSAPrivateKey:
    """Return a new RSA key from the operating system's generator; it cannot come from the secret."""
    return generate_private_key(65537, RSA_BITS)


def private_der(key: RSAPrivateKey) -> bytes:
    """Return a private key as unencrypted PKCS #8 DER, for the sealed part of a key file."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def sign_rsa(key: RSAPrivateKey, owner: str, timestamp: str) -> Signed:
    """Sign with an RSA key."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verifier = verifier_string(owner, timestamp, public)
    return Signed(public, verifier, key.sign(verifier, PKCS1v15(), hashes.SHA256()))


def derive(signature: bytes, classes: int, side: int, height: int, width: int) -> tuple[int, Filters]:
    """Return the label ``y_W`` and the null filter of a signature.

    With hashes read as big-endian integers: ``y_W = H1 mod C``, ``bits = H2 mod 2**(n*n)`` padded to ``n*n`` from the
    left and read row by row, ``row = H3 mod (H - n)``, ``column = H4 mod (W - n)``.

    Departs: a pattern as large as the picture is put at 0, where the paper's modulus would be zero.
    """
    h1, h2, h3, h4 = (
        int.from_bytes(hashlib.new(name, signature).digest(), "big")
        for name in ("sha224", "sha256", "sha384", "sha512")
    )
    text = f"{h2 % 2 ** (side * side):0{side * side}b}"
    bits = np.frombuffer(text.encode(), np.uint8).reshape(1, side, side) - ord("0")
    place = [h3 % max(height - side, 1), h4 % max(width - side, 1)]
    return h1 % classes, Filters(bits.astype(np.uint8), np.array([place], np.int64))
