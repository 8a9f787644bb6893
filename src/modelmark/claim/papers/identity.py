"""A party's private signing keys, in a file of their own: whoever finds the watermark key cannot sign with it.

::

    modelmark-identity
    {"aead":"ChaCha20-Poly1305",...,"type":"modelmark.identity","v":1}
    <ciphertext to the end of the file>

The layout is the key file's. Encrypted PKCS#8 is not used: the cryptography library writes it with 2,048 rounds of PBKDF2,
which a passphrase that a person remembers does not survive.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmark import canonical, files
from modelmark.claim.papers import signing
from modelmark.claim.papers.signing import ALGORITHMS, Signer
from modelmark.errors import MalformedError
from modelmark.key import sealed

MAGIC = b"modelmark-identity\n"
VERSION = 1
MAX_FILE = 2**16
"""Bytes. An identity has 32 private bytes per algorithm; its header names the public keys."""
FORM = sealed.Form(MAGIC, b"modelmark-identity-check", "identity")

_FIELDS = {"type", "v", "signers"} | sealed.FIELDS


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
    sealed.write(FORM, header, content, passphrase, path)


def inspect(path: Path | str) -> tuple[tuple[Signer, ...], bool]:
    """Return the public keys that the header names, and whether a passphrase is needed.

    Raises:
        MalformedError: not an identity file, or damaged.
    """
    header, _, body = _split(Path(path))
    if header["kdf"] is None:
        sealed.require_whole(FORM, header, body, Path(path))
    return _signers(header, Path(path)), header["kdf"] is not None


def load(path: Path | str, passphrase: str | None = None) -> Identity:
    """Return the identity in a file.

    Raises:
        MalformedError: truncated, tampered with, of an unknown version, or not canonical.
        PassphraseError: wrong or missing passphrase.
    """
    path = Path(path)
    header, line, body = _split(path)
    body = sealed.opened(FORM, header, line, body, passphrase, path)
    value = canonical.decode(body, what=f"the content of {path}")
    try:
        identity = Identity(tuple((name, bytes.fromhex(value[name])) for name in ALGORITHMS if name in value))
        written = canonical.encode({name: private.hex() for name, private in identity.private})
    except (LookupError, TypeError, ValueError, AttributeError):
        raise sealed.changed(FORM, path) from None
    if written != body or identity.signers != _signers(header, path):
        raise sealed.changed(FORM, path)
    return identity


def _split(path: Path) -> tuple[dict[str, Any], bytes, bytes]:
    data = files.read(path, limit=MAX_FILE, what="an identity file")
    line, end, body = data.removeprefix(MAGIC).partition(b"\n")
    if not data.startswith(MAGIC):
        raise MalformedError(
            f"expected a modelmark identity file, {path} is {files.told(data[:64]) or 'something else'}"
        )
    if not end:
        raise MalformedError(f"expected a header line in {path}, it is truncated")
    header = canonical.decode(line, what=f"the header of {path}")
    if not isinstance(header, dict) or header.keys() != _FIELDS or header["type"] != "modelmark.identity":
        raise MalformedError(f"expected the header of an identity file in {path}, got something else")
    if header["v"] is True or header["v"] != VERSION:
        raise MalformedError(f"expected an identity file of version {VERSION}, {path} has another")
    if not sealed.well_formed(header) or header["kdf"] not in (None, sealed.KDF):
        raise MalformedError(f"expected well-formed fields in the header of {path}, got others")
    return header, line, body


def _signers(header: dict[str, Any], path: Path) -> tuple[Signer, ...]:
    try:
        return tuple(Signer(name, header["signers"][name]) for name in ALGORITHMS if name in header["signers"])
    except (TypeError, ValueError):
        raise MalformedError(f"expected public keys in the header of {path}, got something else") from None
