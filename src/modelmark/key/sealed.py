"""Sealed content: what a passphrase opens, and what shows whether it was changed, for key and identity files alike.

A file is a magic line, a canonical header in clear, a line feed, and the body. The header is authenticated with the body. It
holds ``kdf``, ``salt``, ``check``, ``aead`` and ``nonce``; without a passphrase the first is null and ``check`` is a checksum.
"""

import hashlib
import hmac
import secrets as os_random
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmark import canonical, files
from modelmark.errors import MalformedError, PassphraseError

KDF: dict[str, Any] = {"name": "argon2id", "m_kib": 262144, "t": 3, "lanes": 4}
"""The only parameters that version 1 accepts. They are read before they are authenticated, so a file must not choose them."""
AEAD = "ChaCha20-Poly1305"
FIELDS = {"kdf", "salt", "check", "aead", "nonce"}


@dataclass(frozen=True)
class Form:
    """A kind of sealed file.

    Args:
        magic: its first line, with the line feed.
        check: what keeps its key-check value apart from that of other kinds.
        what: its name in messages.
    """

    magic: bytes
    check: bytes
    what: str


def write(form: Form, header: dict[str, Any], content: bytes, passphrase: str | None, path: Path) -> None:
    """Write content to a new file, readable by its owner alone.

    Args:
        form: kind of file.
        header: without ``FIELDS``.
        content: to seal.
        passphrase: seals the content; None leaves it open.
        path: must not exist.

    Raises:
        OutputExistsError: the file exists.
    """
    if passphrase is None:
        header = header | {"kdf": None, "salt": "", "aead": None, "nonce": ""}
        header["check"] = _checksum(form, header, content)
        body = content
    else:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        salt, nonce = os_random.token_bytes(16), os_random.token_bytes(12)
        sealing, check = derive(form, passphrase, salt)
        header = header | {"kdf": dict(KDF), "salt": salt.hex(), "check": check, "aead": AEAD, "nonce": nonce.hex()}
        body = ChaCha20Poly1305(sealing).encrypt(nonce, content, form.magic + canonical.encode(header))
    files.write_new(path, form.magic + canonical.encode(header) + b"\n" + body, mode=0o600)


def opened(form: Form, header: dict[str, Any], line: bytes, body: bytes, passphrase: str | None, path: Path) -> bytes:
    """Return the content of a file that was split into a checked header, its bytes, and the body.

    Raises:
        MalformedError: changed or truncated.
        PassphraseError: wrong or missing passphrase.
    """
    if header["kdf"] is None:
        require_whole(form, header, body, path)
        return body
    if passphrase is None:
        raise PassphraseError(f"expected a passphrase for {path}, got none")
    sealing, check = derive(form, passphrase, bytes.fromhex(header["salt"]))
    if not hmac.compare_digest(check, header["check"]):
        raise PassphraseError(f"expected the passphrase of {path}, got another (or the header was changed)")
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(sealing).decrypt(bytes.fromhex(header["nonce"]), body, form.magic + line)
    except InvalidTag:
        raise changed(form, path) from None


def require_whole(form: Form, header: dict[str, Any], body: bytes, path: Path) -> None:
    """Raise MalformedError unless an open file is as it was written."""
    if not hmac.compare_digest(_checksum(form, header, body), header["check"]):
        raise changed(form, path)


def changed(form: Form, path: Path) -> MalformedError:
    """Return the refusal of a file that is not what was written."""
    return MalformedError(f"expected the {form.what} that was written to {path}, it was changed or truncated")


def well_formed(header: dict[str, Any]) -> bool:
    """Return whether the sealing fields have their forms; the key derivation itself is not looked at."""
    sealed = header["kdf"] is not None
    sizes = {"salt": 16 * sealed, "check": 32, "nonce": 12 * sealed}
    right = all(is_hex(header[name], size) for name, size in sizes.items())
    return right and bool(header["aead"] == (AEAD if sealed else None))


def is_hex(value: object, size: int) -> bool:
    """Return whether a value is lower-case hex of so many bytes."""
    return isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef")


def derive(form: Form, passphrase: str, salt: bytes) -> tuple[bytes, str]:
    """Return the sealing key and the key-check value, which commits to it (an AEAD alone does not)."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # an open file needs none of the library

    kdf = Argon2id(salt=salt, length=64, iterations=KDF["t"], lanes=KDF["lanes"], memory_cost=KDF["m_kib"])
    derived = kdf.derive(unicodedata.normalize("NFC", passphrase).encode(errors="surrogateescape"))
    return derived[:32], hashlib.sha256(form.check + derived[32:]).hexdigest()


def _checksum(form: Form, header: dict[str, Any], content: bytes) -> str:
    """Return the check of an open file: SHA-256 over the file as it would be with an empty check."""
    return hashlib.sha256(form.magic + canonical.encode(header | {"check": ""}) + b"\n" + content).hexdigest()
