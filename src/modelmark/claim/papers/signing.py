"""Signatures: Ed25519 always; beside it ML-DSA-65 for the years after Ed25519, P-256 for tools that know nothing else.

A party is a list of public keys, named in the signed body, one per algorithm and in the order of ``ALGORITHMS``. Every one
of them must have signed, so that no signature can be left out.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

from modelmark import hashing
from modelmark.claim.papers import records
from modelmark.claim.papers.shapes import Choice, Text
from modelmark.errors import MalformedError, UsageError

ALGORITHMS = ("ed25519", "ml-dsa-65", "p256")
_SIZES = {"ed25519": 32, "ml-dsa-65": 1952, "p256": 33}
"""Bytes of a public key: raw, raw, compressed point."""
MAX_SIGNATURE = 4096
"""Bytes. An ML-DSA-65 signature has 3309."""
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Signer:
    """One public key of a party.

    Args:
        algorithm: see ``ALGORITHMS``.
        public: hex; 32 bytes, 1,952 bytes, or a compressed point of 33 bytes.
    """

    algorithm: Annotated[str, Choice(ALGORITHMS)]
    public: Annotated[str, Text(2 * 1952)]

    def __post_init__(self) -> None:
        records.check(self)
        size = _SIZES[self.algorithm]
        if len(self.public) != 2 * size or not set(self.public) <= set("0123456789abcdef"):
            raise ValueError(f"expected {size} bytes as hex of a public {self.algorithm} key, got {self.public[:40]!r}")

    @property
    def keyid(self) -> str:
        """Names the key in an envelope: a digest of algorithm and key, hex."""
        return hashing.digest("signer", self.algorithm.encode(), bytes.fromhex(self.public)).hex()


def require_party(signers: tuple[Signer, ...]) -> None:
    """Raise ValueError unless ``signers`` begin with Ed25519 and follow the order of ``ALGORITHMS``, each at most once."""
    named = [signer.algorithm for signer in signers]
    if named[:1] != ["ed25519"] or named != [name for name in ALGORITHMS if name in named]:
        raise ValueError(f"expected signers ed25519, then optionally ml-dsa-65, p256, got {', '.join(named) or 'none'}")


def generate(algorithm: str) -> bytes:
    """Return a fresh private key: 32 bytes, a seed or (P-256) the big-endian scalar.

    Raises:
        UsageError: the installed cryptography library cannot do it.
    """
    private: Any
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate().private_bytes_raw()
    if algorithm == "p256":
        return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    try:
        private = _mldsa().MLDSA65PrivateKey.generate()
    except UnsupportedAlgorithm:
        raise _no_mldsa() from None
    return bytes(private.private_bytes_raw())


def public(algorithm: str, private: bytes) -> Signer:
    """Return the public key of a private one.

    Raises:
        ValueError: not a private key of this algorithm.
    """
    key = _private(algorithm, private)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.public_key().public_numbers()
        return Signer(algorithm, (bytes([2 + numbers.y % 2]) + numbers.x.to_bytes(32, "big")).hex())
    return Signer(algorithm, key.public_key().public_bytes_raw().hex())


def sign(algorithm: str, private: bytes, message: bytes) -> bytes:
    """Return the signature of ``message``; for P-256, DER over SHA-256 with the lower of both values of s."""
    key = _private(algorithm, private)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
        return utils.encode_dss_signature(r, min(s, _ORDER - s))
    return bytes(key.sign(message))


def verify(signer: Signer, signature: bytes, message: bytes) -> bytes:
    """Return ``message`` if ``signer`` signed it.

    Raises:
        MalformedError: the signer did not.
        UsageError: the installed cryptography library cannot check this algorithm.
    """
    raw = bytes.fromhex(signer.public)
    try:
        if signer.algorithm == "ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
        elif signer.algorithm == "p256":
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            if utils.decode_dss_signature(signature)[1] > _ORDER // 2:
                raise ValueError("the higher of both values of s")
            key.verify(signature, message, ec.ECDSA(SHA256()))
        else:
            _mldsa().MLDSA65PublicKey.from_public_bytes(raw).verify(signature, message)
    except UnsupportedAlgorithm:
        raise _no_mldsa() from None
    except (InvalidSignature, ValueError):
        raise MalformedError(f"expected the {signer.algorithm} signature of {signer.keyid[:16]}, got another") from None
    return message


def _private(algorithm: str, private: bytes) -> Any:
    if len(private) != 32:
        raise ValueError(f"expected a private key of 32 bytes, got {len(private)}")
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(private)
    if algorithm == "p256":
        return ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
    try:
        return _mldsa().MLDSA65PrivateKey.from_seed_bytes(private)
    except UnsupportedAlgorithm:
        raise _no_mldsa() from None


def _mldsa() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        raise _no_mldsa() from None
    return mldsa


def _no_mldsa() -> UsageError:
    from cryptography.hazmat.backends.openssl import backend

    return UsageError(
        f"expected a cryptography library with ML-DSA-65, this one is built on {backend.openssl_version_text()}",
        hint="pip install --upgrade cryptography, whose wheels bring an OpenSSL that has it",
    )
