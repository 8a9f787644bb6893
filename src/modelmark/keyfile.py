"""Key files: one canonical header line, then the sealed secret with the scheme's parameters and attachments.

::

    modelmark-key
    {"aead":"ChaCha20-Poly1305",...,"type":"modelmark.key","v":1}
    <ciphertext to the end of the file>

The header is authenticated with the content. In clear it shows the scheme, the fingerprint and the date; no layer, no
trigger family, no count. ``docs/spec/key-file.md`` is the specification.
"""

import hashlib
import hmac
import secrets as os_random
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from modelmark import canonical, files
from modelmark.canonical import Json
from modelmark.draw import CHARGES
from modelmark.errors import MalformedError, MismatchError, ModelmarkError, PassphraseError
from modelmark.interface import Interface
from modelmark.options import encode_options, make
from modelmark.schemes import reference, scheme_class
from modelmark.secret import Secret

if TYPE_CHECKING:
    from modelmark.keys import Key

MAGIC = b"modelmark-key\n"
VERSION = 1
MAX_FILE = 2**30
"""Bytes. Room for ten thousand attached pictures of 224 x 224; a file beyond that is not read at all."""
MAX_HEADER = 4096
"""Bytes. The header has fixed fields; an honest one is about 600 bytes."""
KDF: dict[str, Any] = {"name": "argon2id", "m_kib": 262144, "t": 3, "lanes": 4}
"""The only parameters that version 1 accepts. They are read before they are authenticated, so a file must not choose them."""

_FIELDS = {"type", "v", "scheme", "fingerprint", "created", "self_check", "kdf", "salt", "check", "aead", "nonce"}


@dataclass(frozen=True)
class Header:
    """What a key file shows without its passphrase.

    Args:
        scheme: name of the scheme, or ``module:Class``.
        fingerprint: digest of the key's public statement, hex.
        created: ISO 8601, UTC.
        self_check: whether the key is one that is never evidence.
        encrypted: whether a passphrase is needed.
    """

    scheme: str
    fingerprint: str
    created: str
    self_check: bool
    encrypted: bool


def save(key: "Key", path: Path, passphrase: str | None) -> None:
    """Write a key to a new file, readable by its owner alone.

    Args:
        key: the key.
        path: must not exist.
        passphrase: seals the content; None leaves it open.

    Raises:
        OutputExistsError: the file exists. A key is never overwritten.
    """
    content = _content(key)
    header: dict[str, Any] = {
        "type": "modelmark.key",
        "v": VERSION,
        "scheme": reference(key.scheme),
        "fingerprint": key.fingerprint,
        "created": key.created,
        "self_check": key.self_check,
    }
    if passphrase is None:
        header |= {"kdf": None, "salt": "", "aead": None, "nonce": ""}
        header["check"] = _checksum(header, content)
        body = content
    else:
        salt, nonce = os_random.token_bytes(16), os_random.token_bytes(12)
        sealing, check = _derive(passphrase, salt)
        header |= {
            "kdf": dict(KDF),
            "salt": salt.hex(),
            "check": check,
            "aead": "ChaCha20-Poly1305",
            "nonce": nonce.hex(),
        }
        body = ChaCha20Poly1305(sealing).encrypt(nonce, content, MAGIC + canonical.encode(header))
    files.write_new(path, MAGIC + canonical.encode(header) + b"\n" + body, mode=0o600)


def inspect(path: Path) -> Header:
    """Return what the file shows without its passphrase.

    Raises:
        MalformedError: not a key file, truncated, of an unknown version, or not canonical.
    """
    header, _, body = _split(path)
    if header["kdf"] is None:
        _check_open(header, body, path)
    return Header(
        header["scheme"], header["fingerprint"], header["created"], header["self_check"], header["kdf"] is not None
    )


def load(path: Path | str, passphrase: str | None = None, *, scheme: str = "") -> "Key":
    """Return the key in a file.

    Args:
        path: the file.
        passphrase: what it was sealed with; not used where it was left open.
        scheme: ``module:Class`` as a person typed it, for schemes outside the table.

    Raises:
        MalformedError: truncated, tampered with, of an unknown version, or not canonical.
        PassphraseError: wrong or missing passphrase.
        UsageError: the key names a scheme outside the table that was not repeated.
    """
    path = Path(path)
    header, line, body = _split(path)
    if header["kdf"] is None:
        _check_open(header, body, path)
        content = body
    else:
        if passphrase is None:
            raise PassphraseError(f"expected a passphrase for {path}, got none")
        sealing, check = _derive(passphrase, bytes.fromhex(header["salt"]))
        if not hmac.compare_digest(check, header["check"]):
            raise PassphraseError(f"expected the passphrase of {path}, got another (or the header was changed)")
        try:
            content = ChaCha20Poly1305(sealing).decrypt(bytes.fromhex(header["nonce"]), body, MAGIC + line)
        except InvalidTag:
            raise MalformedError(f"expected the key that was written to {path}, it was changed or truncated") from None
    return _parse(content, header, path, scheme)


def _check_open(header: dict[str, Any], body: bytes, path: Path) -> None:
    if not hmac.compare_digest(_checksum(header, body), header["check"]):
        raise MalformedError(f"expected the key that was written to {path}, it was changed or truncated")


def _checksum(header: dict[str, Any], content: bytes) -> str:
    """Return the check of an open key: SHA-256 over the file as it would be with an empty check."""
    return hashlib.sha256(MAGIC + canonical.encode(header | {"check": ""}) + b"\n" + content).hexdigest()


def _derive(passphrase: str, salt: bytes) -> tuple[bytes, str]:
    """Return the sealing key and the key-check value, which commits to it (an AEAD alone does not)."""
    kdf = Argon2id(salt=salt, length=64, iterations=KDF["t"], lanes=KDF["lanes"], memory_cost=KDF["m_kib"])
    derived = kdf.derive(unicodedata.normalize("NFC", passphrase).encode(errors="surrogateescape"))
    return derived[:32], hashlib.sha256(b"modelmark-key-check" + derived[32:]).hexdigest()


def _split(path: Path) -> tuple[dict[str, Any], bytes, bytes]:
    """Return the checked header, its bytes, and the body."""
    data = files.read(path, limit=MAX_FILE, what="a key file")
    if not data.startswith(MAGIC):
        raise MalformedError(f"expected a modelmark key file, {path} is something else")
    end = data.find(b"\n", len(MAGIC), len(MAGIC) + MAX_HEADER)
    if end < 0:
        raise MalformedError(f"expected a header line in {path}, it is truncated or too long")
    line, body = data[len(MAGIC) : end], data[end + 1 :]
    header = canonical.decode(line, what=f"the header of {path}")
    if not isinstance(header, dict) or header.get("type") != "modelmark.key":
        raise MalformedError(f"expected the header of a key file in {path}, got something else")
    if header.get("v") != VERSION:
        raise MalformedError(f"expected a key file of version {VERSION}, {path} has version {header.get('v')}")
    if set(header) != _FIELDS:
        raise MalformedError(f"expected the fields of a version {VERSION} key in {path}, got others")
    _check_header(header, path)
    return header, line, body


def _check_header(header: dict[str, Any], path: Path) -> None:
    sealed = header["kdf"] is not None
    hex_sizes = {"fingerprint": 32, "salt": 16 * sealed, "check": 32, "nonce": 12 * sealed}
    right = (
        all(_is_hex(header[name], size) for name, size in hex_sizes.items())
        and isinstance(header["scheme"], str)
        and isinstance(header["created"], str)
        and isinstance(header["self_check"], bool)
        and header["v"] is not True
        and header["aead"] == ("ChaCha20-Poly1305" if sealed else None)
    )
    if not right:
        raise MalformedError(f"expected well-formed fields in the header of {path}, got others")
    if sealed and header["kdf"] != KDF:
        raise MalformedError(f"expected key derivation {KDF}, {path} asks for other parameters")


def _is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef")


def _content(key: "Key") -> bytes:
    from safetensors.numpy import save as save_arrays

    arrays = {name: np.ascontiguousarray(array) for name, array in key.attachments.items()}
    return _parameters(key) + b"\n" + (save_arrays(arrays) if arrays else b"")


def _parameters(key: "Key") -> bytes:
    content: dict[str, Json] = {
        "secret": key.secret.value.hex(),
        "settings": encode_options(key.scheme),
        "interface": key.interface.to_json(),
        "arch": key.arch,
        "data": key.data,
        "host": key.host,
    }
    if key.draw_kind != "offline":
        content["draw"] = key.draw_kind
    return canonical.encode(content)


def _parse(content: bytes, header: dict[str, Any], path: Path, scheme: str) -> "Key":
    from modelmark.keys import Key

    line, _, blob = content.partition(b"\n")
    value = canonical.decode(line, what=f"the content of {path}")
    name = header["scheme"]
    cls = scheme_class(name, trusted=bool(scheme) and name == scheme)
    try:
        if not all(isinstance(value[text], str) for text in ("arch", "data", "host")):
            raise TypeError("expected texts")
        key = Key(
            make(cls, value["settings"]),
            Secret(bytes.fromhex(value["secret"])),
            Interface.from_json(value["interface"]),
            _arrays(blob),
            arch=value["arch"],
            data=value["data"],
            host=value["host"],
            created=header["created"],
            self_check=header["self_check"],
            draw_kind=value.get("draw", "offline"),
        )
        if key.draw_kind not in CHARGES:
            raise ValueError("another kind of draw")
        rebuilt = _parameters(key)
        fingerprint = key.fingerprint
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError, ModelmarkError):
        raise MalformedError(f"expected a whole key in {path}, its content does not describe one") from None
    if rebuilt != line:
        raise MalformedError(f"expected the content of {path} in canonical form, got another spelling of it")
    if fingerprint != header["fingerprint"]:
        raise MismatchError(f"expected the key with fingerprint {header['fingerprint'][:16]}, {path} holds another")
    return key


def _arrays(blob: bytes) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    if not blob:
        return {}
    try:
        return dict(load_arrays(blob))
    except SafetensorError as error:
        raise ValueError("attachments are not safetensors") from error
