"""Key files as bytes, to be cut, changed and forged by whoever writes a file."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmark.errors import MalformedError, MismatchError, ModelmarkError, PassphraseError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key import sealed as sealing
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida

MAGIC = b"modelmark-key\n"
PASSPHRASE = "correct horse"
CHEAP = sealing.KDF | {"m_kib": 32, "t": 1}
"""Argon2id at its least, so that files which need a derivation can be tried by the thousand."""
CREATED = "2026-01-01T00:00:00+00:00"
SECRET = Secret(bytes(range(32)))
PICTURES = PictureFeed((1, 2, 2), ("zero", "one"))
OWN = Key(
    Adi(triggers=2, pictures="own"),
    SECRET,
    PICTURES,
    {"triggers": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)},
    created=CREATED,
)
WEIGHTS = Key(Uchida(layer="conv.weight", bits=4, width=8), SECRET, PICTURES, created=CREATED)

Read = Callable[[bytes], Key]


def bytes_of(key: Key, folder: Path, passphrase: str | None) -> bytes:
    path = folder / "made.key"
    keyfile.save(key, path, passphrase)
    return path.read_bytes()


def refused(read: Read, data: bytes) -> ModelmarkError:
    """Loading ``data`` is refused as the outside input that it is, on one line."""
    with pytest.raises((MalformedError, PassphraseError, MismatchError, UsageError)) as caught:
        read(data)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def header_of(data: bytes) -> dict[str, Any]:
    return json.loads(data[len(MAGIC) :].split(b"\n", 1)[0])


def content_of(data: bytes) -> bytes:
    return data[len(MAGIC) :].split(b"\n", 1)[1]


def spelled(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def forged(header: dict[str, Any], content: bytes) -> bytes:
    """An open key file whose check is right: anybody can compute it."""
    check = hashlib.sha256(MAGIC + spelled(header | {"check": ""}) + b"\n" + content).hexdigest()
    return MAGIC + spelled(header | {"check": check}) + b"\n" + content
