"""Key files: one canonical header line, then the sealed secret with the scheme's parameters and attachments.

::

    modelmark-key
    {"aead":"ChaCha20-Poly1305",...,"type":"modelmark.key","v":1}
    <ciphertext to the end of the file>

The header is authenticated with the content. In clear it shows the scheme, the fingerprint and the date; no layer, no
trigger family, no count. ``docs/spec/key-file.md`` is the specification.
"""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelmark import canonical, feeds, files
from modelmark.canonical import Json
from modelmark.errors import MalformedError, MismatchError, ModelmarkError
from modelmark.feeds.base import Feed
from modelmark.key import sealed
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.options import encode_options, make
from modelmark.schemes import reference, scheme_class

if TYPE_CHECKING:
    from modelmark.marks.keys import Key

MAGIC = b"modelmark-key\n"
VERSION = 1
MAX_FILE = 2**30
"""Bytes. Room for ten thousand attached pictures of 224 x 224; a file beyond that is not read at all."""
MAX_HEADER = 4096
"""Bytes. The header has fixed fields; an honest one is about 600 bytes."""
FORM = sealed.Form(MAGIC, b"modelmark-key-check", "key")

_FIELDS = {"type", "v", "scheme", "fingerprint", "created", "self_check"} | sealed.FIELDS


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


def save(key: "Key", path: Path | str, passphrase: str | None) -> None:
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
    sealed.write(FORM, header, content, passphrase, Path(path))


@dataclass(frozen=True)
class Locked:
    """A key file that was read, once; its content may need a passphrase.

    Args:
        header: what it shows without one.
        path: of the file, for messages.
    """

    header: Header
    path: Path
    _fields: dict[str, Any] = field(repr=False)
    _line: bytes = field(repr=False)
    _body: bytes = field(repr=False)

    def unlock(self, passphrase: str | None = None, *, scheme: str = "") -> "Key":
        """Return the key.

        Args:
            passphrase: what it was sealed with; not used where it was left open.
            scheme: ``module:Class`` as a person typed it, for schemes outside the table.

        Raises:
            MalformedError: tampered with, or not canonical.
            PassphraseError: wrong or missing passphrase.
            UsageError: the key names a scheme outside the table that was not repeated.
        """
        content = sealed.opened(FORM, self._fields, self._line, self._body, passphrase, self.path)
        return _parse(content, self._fields, self.path, scheme)

    def feed(self, passphrase: str | None = None) -> Feed:
        """Return how the key's model is fed, whatever its scheme; no code of a scheme is needed for it.

        Raises:
            MalformedError: tampered with, or not canonical.
            PassphraseError: wrong or missing passphrase.
        """
        try:
            return feeds.from_json(self.said(passphrase)["interface"])  # type: ignore[arg-type]
        except (LookupError, TypeError, ValueError):
            raise MalformedError(f"expected a whole key in {self.path}, its content does not describe one") from None

    def said(self, passphrase: str | None = None) -> dict[str, Json]:
        """Return what the content says of the key, but for its secret and what is attached; no code of a scheme is needed.

        Raises:
            MalformedError: tampered with, or not canonical.
            PassphraseError: wrong or missing passphrase.
        """
        content = sealed.opened(FORM, self._fields, self._line, self._body, passphrase, self.path)
        value = canonical.decode(content.partition(b"\n")[0], what=f"the content of {self.path}")
        if not isinstance(value, dict):
            raise MalformedError(f"expected a whole key in {self.path}, its content does not describe one")
        return {name: part for name, part in value.items() if name != "secret"}


def read(path: Path | str) -> Locked:
    """Read a key file.

    Raises:
        MalformedError: not a key file, truncated, of an unknown version, or not canonical.
    """
    path = Path(path)
    header, line, body = _split(path)
    if header["kdf"] is None:
        sealed.require_whole(FORM, header, body, path)
    shown = Header(
        header["scheme"], header["fingerprint"], header["created"], header["self_check"], header["kdf"] is not None
    )
    return Locked(shown, path, header, line, body)


def is_key(path: Path) -> bool:
    """Return whether a file begins as a key file does."""
    try:
        with path.open("rb") if path.is_file() else BytesIO() as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def inspect(path: Path) -> Header:
    """Return what the file shows without its passphrase; see ``read``."""
    return read(path).header


def load(path: Path | str, passphrase: str | None = None, *, scheme: str = "") -> "Key":
    """Return the key in a file; see ``read`` and ``Locked.unlock``."""
    return read(path).unlock(passphrase, scheme=scheme)


def _split(path: Path) -> tuple[dict[str, Any], bytes, bytes]:
    """Return the checked header, its bytes, and the body."""
    data = files.read(path, limit=MAX_FILE, what="a key file")
    if not data.startswith(MAGIC):
        raise MalformedError(f"expected a modelmark key file, {path} is {files.told(data[:64]) or 'something else'}")
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
    right = (
        sealed.well_formed(header)
        and sealed.is_hex(header["fingerprint"], 32)
        and isinstance(header["scheme"], str)
        and isinstance(header["created"], str)
        and isinstance(header["self_check"], bool)
        and header["v"] is not True
    )
    if not right:
        raise MalformedError(f"expected well-formed fields in the header of {path}, got others")
    if header["kdf"] is not None and header["kdf"] != sealed.KDF:
        raise MalformedError(f"expected key derivation {sealed.KDF}, {path} asks for other parameters")


def _content(key: "Key") -> bytes:
    from safetensors.numpy import save as save_arrays

    arrays = {name: np.ascontiguousarray(array) for name, array in key.attachments.items()}
    return _parameters(key) + b"\n" + (save_arrays(arrays) if arrays else b"")


def _parameters(key: "Key") -> bytes:
    content: dict[str, Json] = {
        "secret": key.secret.value.hex(),
        "settings": encode_options(key.scheme),
        "interface": key.feed.to_json(),
        "arch": key.arch,
        "data": key.data,
        "host": key.host,
    }
    if key.draw_kind != "offline":
        content["draw"] = key.draw_kind
    return canonical.encode(content)


def _parse(content: bytes, header: dict[str, Any], path: Path, scheme: str) -> "Key":
    from modelmark.marks.keys import Key

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
            feeds.from_json(value["interface"]),
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
