"""A party's private signing keys, in a file of their own: whoever finds the watermark key cannot sign with it.

::

    modelmark-identity
    {"aead":"ChaCha20-Poly1305",...,"type":"modelmark.identity","v":1}
    <ciphertext to the end of the file>

The layout is the key file's. Encrypted PKCS#8 is not used: the cryptography library writes it with 2,048 rounds of PBKDF2,
which a passphrase that a person remembers does not survive.
"""

import hashlib
import hmac
import secrets as os_random
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from modelmark import canonical, files
from modelmark.claim import signing
from modelmark.claim.signing import ALGORITHMS, Signer
from modelmark.errors import MalformedError, PassphraseError

MAGIC = b"modelmark-identity\n"
VERSION = 1
MAX_FILE = 2**16
"""Bytes. An identity has 32 private bytes per algorithm; its header names the public keys."""
KDF: dict[str, Any] = {"name": "argon2id", "m_kib": 262144, "t": 3, "lanes": 4}
"""As for key files: fixed, since it is read before it is authenticated."""

_FIELDS = {"type", "v", "signers", "kdf", "salt", "check", "aead", "nonce"}


@dataclass(frozen=True)
class Identity:
    """A party that can sign.

    Args:
        private: 32 bytes per algorithm, in the order of ``ALGORITHMS``, beginning with Ed25519.
    """

    private: tuple[tuple[str, bytes], ...] = field(repr=False)

    def __post_init__(self) -> None:
        signing.require_party(self.signers)

    @classmethod
    def generate(cls, *, post_quantum: bool = False, p256: bool = False) -> "Identity":
        """Return fresh keys: Ed25519, and what else is asked for.

        Raises:
            UsageError: ML-DSA-65 is asked for and the cryptography library lacks it.
        """
        wanted = {"ed25519": True, "ml-dsa-65": post_quantum, "p256": p256}
        return cls(tuple((name, signing.generate(name)) for name in ALGORITHMS if wanted[name]))

    @property
    def signers(self) -> tuple[Signer, ...]:
        """The public keys; documents name them."""
        return tuple(signing.public(name, private) for name, private in self.private)

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        """Return one signature per key."""
        return tuple(signing.sign(name, private, message) for name, private in self.private)


def save(identity: Identity, path: Path, passphrase: str | None) -> None:
    """Write an identity to a new file, readable by its owner alone.

    Args:
        identity: the keys.
        path: must not exist.
        passphrase: seals the content; None leaves it open.

    Raises:
        OutputExistsError: the file exists.
    """
    content = canonical.encode({name: private.hex() for name, private in identity.private})
    header: dict[str, Any] = {"type": "modelmark.identity", "v": VERSION}
    header["signers"] = {signer.algorithm: signer.public for signer in identity.signers}
    if passphrase is None:
        header |= {"kdf": None, "salt": "", "aead": None, "nonce": ""}
        header["check"] = _checksum(header, content)
        body = content
    else:
        salt, nonce = os_random.token_bytes(16), os_random.token_bytes(12)
        sealing, check = _derive(passphrase, salt)
        header |= {"kdf": dict(KDF), "salt": salt.hex(), "check": check}
        header |= {"aead": "ChaCha20-Poly1305", "nonce": nonce.hex()}
        body = ChaCha20Poly1305(sealing).encrypt(nonce, content, MAGIC + canonical.encode(header))
    files.write_new(path, MAGIC + canonical.encode(header) + b"\n" + body, mode=0o600)


def inspect(path: Path | str) -> tuple[tuple[Signer, ...], bool]:
    """Return the public keys that the header names, and whether a passphrase is needed.

    Raises:
        MalformedError: not an identity file, or damaged.
    """
    header, _, _ = _split(Path(path))
    return _signers(header, Path(path)), header["kdf"] is not None


def load(path: Path | str, passphrase: str | None = None) -> Identity:
    """Return the identity in a file.

    Raises:
        MalformedError: truncated, tampered with, of an unknown version, or not canonical.
        PassphraseError: wrong or missing passphrase.
    """
    path = Path(path)
    header, line, body = _split(path)
    changed = MalformedError(f"expected the identity that was written to {path}, it was changed or truncated")
    if header["kdf"] is None:
        if not hmac.compare_digest(_checksum(header, body), header["check"]):
            raise changed
    else:
        if passphrase is None:
            raise PassphraseError(f"expected a passphrase for {path}, got none")
        sealing, check = _derive(passphrase, bytes.fromhex(header["salt"]))
        if not hmac.compare_digest(check, header["check"]):
            raise PassphraseError(f"expected the passphrase of {path}, got another (or the header was changed)")
        try:
            body = ChaCha20Poly1305(sealing).decrypt(bytes.fromhex(header["nonce"]), body, MAGIC + line)
        except InvalidTag:
            raise changed from None
    value = canonical.decode(body, what=f"the content of {path}")
    try:
        identity = Identity(tuple((name, bytes.fromhex(value[name])) for name in ALGORITHMS if name in value))
        written = canonical.encode({name: private.hex() for name, private in identity.private})
    except (LookupError, TypeError, ValueError, AttributeError):
        raise changed from None
    if written != body or identity.signers != _signers(header, path):
        raise changed
    return identity


def _split(path: Path) -> tuple[dict[str, Any], bytes, bytes]:
    data = files.read(path, limit=MAX_FILE, what="an identity file")
    line, end, body = data.removeprefix(MAGIC).partition(b"\n")
    if not data.startswith(MAGIC) or not end:
        raise MalformedError(f"expected a modelmark identity file, {path} is something else")
    header = canonical.decode(line, what=f"the header of {path}")
    if not isinstance(header, dict) or header.keys() != _FIELDS or header["type"] != "modelmark.identity":
        raise MalformedError(f"expected the header of an identity file in {path}, got something else")
    if header["v"] is True or header["v"] != VERSION:
        raise MalformedError(f"expected an identity file of version {VERSION}, {path} has another")
    sealed = header["kdf"] is not None
    sizes = {"salt": 16 * sealed, "check": 32, "nonce": 12 * sealed}
    right = all(_is_hex(header[name], size) for name, size in sizes.items())
    if not right or header["aead"] != ("ChaCha20-Poly1305" if sealed else None) or header["kdf"] not in (None, KDF):
        raise MalformedError(f"expected well-formed fields in the header of {path}, got others")
    return header, line, body


def _signers(header: dict[str, Any], path: Path) -> tuple[Signer, ...]:
    try:
        return tuple(Signer(name, header["signers"][name]) for name in ALGORITHMS if name in header["signers"])
    except (TypeError, ValueError):
        raise MalformedError(f"expected public keys in the header of {path}, got something else") from None


def _is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef")


def _checksum(header: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(MAGIC + canonical.encode(header | {"check": ""}) + b"\n" + content).hexdigest()


def _derive(passphrase: str, salt: bytes) -> tuple[bytes, str]:
    kdf = Argon2id(salt=salt, length=64, iterations=KDF["t"], lanes=KDF["lanes"], memory_cost=KDF["m_kib"])
    derived = kdf.derive(unicodedata.normalize("NFC", passphrase).encode(errors="surrogateescape"))
    return derived[:32], hashlib.sha256(b"modelmark-identity-check" + derived[32:]).hexdigest()
