"""Hostile key files: cut, changed, outsized, in other words. Each is refused on one line; none is accepted."""

import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from key_bytes import (
    CHEAP,
    CREATED,
    MAGIC,
    OWN,
    PASSPHRASE,
    PICTURES,
    SECRET,
    WEIGHTS,
    Read,
    bytes_of,
    content_of,
    forged,
    header_of,
    refused,
    spelled,
)

from modelmark.errors import MalformedError, ModelmarkError, OutputExistsError, PassphraseError
from modelmark.key import sealed as sealing
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from trying import failing


def same(one: Key, other: Key) -> bool:
    names = ("scheme", "secret", "feed", "arch", "data", "host", "created", "self_check", "fingerprint")
    arrays = {name: (array.dtype, array.shape, array.tobytes()) for name, array in one.attachments.items()}
    return all(getattr(one, name) == getattr(other, name) for name in names) and arrays == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in other.attachments.items()
    }


# What is written comes back


@pytest.mark.parametrize(
    "key",
    [
        OWN,
        WEIGHTS,
        Key(Adi(triggers=2), SECRET, PICTURES, arch="a:b", data="där", host="ab", created=CREATED, self_check=True),
        Key(Adi(triggers=2, margin=1), SECRET, PICTURES, created=CREATED),
        Key(Uchida(layer="fc", bits=2, width=8, strength=np.float64(1e-3)), SECRET, PICTURES, created=CREATED),
        Key(
            Adi(triggers=2, pictures="own", message="imported"),
            SECRET,
            PICTURES,
            {
                "triggers": np.arange(16, dtype=np.uint8).reshape(2, 2, 2, 2)[:, :1].transpose(0, 1, 3, 2),
                "labels": np.array([1, 0]),
            },
            created=CREATED,
        ),
        Key(
            Uchida(layer="fc", bits=2, width=3, message="imported"),
            SECRET,
            PICTURES,
            {"matrix": np.arange(6, dtype=np.float32).reshape(2, 3) / 7, "bits": np.array([1, 0])},
            created=CREATED,
        ),
    ],
    ids=["own", "weights", "all-texts", "integer-margin", "numpy-strength", "imported-labels", "imported-matrix"],
)
def test_a_key_comes_back_as_it_was(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    for passphrase in (None, PASSPHRASE, ""):
        path = tmp_path / f"{passphrase}.key"
        keyfile.save(key, path, passphrase)
        assert same(keyfile.load(path, passphrase), key)


@pytest.mark.parametrize(("passphrase", "encrypted"), [(None, False), (PASSPHRASE, True)])
def test_what_shows_without_the_passphrase_is_the_header_alone(
    passphrase: str | None, encrypted: bool, tmp_path: Path, quick_seal: None
) -> None:
    keyfile.save(WEIGHTS, tmp_path / "a.key", passphrase)
    shown = keyfile.inspect(tmp_path / "a.key")
    assert shown == keyfile.Header("uchida", WEIGHTS.fingerprint, CREATED, False, encrypted)
    assert (b"conv.weight" in (tmp_path / "a.key").read_bytes()) is not encrypted


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_is_its_owners_alone_and_never_overwritten(
    passphrase: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    path = tmp_path / "a.key"
    keyfile.save(OWN, path, passphrase)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OutputExistsError):
        keyfile.save(WEIGHTS, path, passphrase)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.key"]


def test_two_sealed_files_of_one_key_share_neither_salt_nor_nonce(cheap: bytes, tmp_path: Path) -> None:
    one, other = header_of(cheap), header_of(bytes_of(OWN, tmp_path, PASSPHRASE))
    assert [name for name in one if one[name] != other[name]] == ["check", "nonce", "salt"]


# Cut and changed


@pytest.mark.parametrize("kind", ["opened", "cheap"])
def test_every_truncation_is_refused(kind: str, read: Read, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    assert same(read(data), OWN)
    for size in range(len(data)):
        refused(read, data[:size])


@pytest.mark.parametrize("kind", ["opened", "cheap"])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_change_of_a_single_byte_is_refused(
    kind: str, flip: int, read: Read, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= flip
        refused(read, bytes(changed))


@pytest.mark.parametrize("kind", ["opened", "cheap"])
def test_bytes_appended_or_put_in_are_refused(kind: str, read: Read, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    for place in (0, 5, len(MAGIC), len(MAGIC) + 1, data.index(b"}\n"), data.index(b"}\n") + 2, len(data)):
        for extra in (b"\0", b"\n", b" "):
            refused(read, data[:place] + extra + data[place:])


@pytest.mark.parametrize(
    ("field", "expected"),
    [("salt", PassphraseError), ("nonce", MalformedError), ("created", MalformedError)],
)
def test_a_changed_header_is_refused_after_the_derivation(
    field: str, expected: type[ModelmarkError], cheap: bytes, read: Read
) -> None:
    header = header_of(cheap)
    last = header[field][-1]
    header[field] = header[field][:-1] + ("1" if last != "1" else "2")
    assert type(refused(read, MAGIC + spelled(header) + b"\n" + content_of(cheap))) is expected


def test_the_body_of_another_key_is_refused(opened: bytes, cheap: bytes, read: Read, tmp_path: Path) -> None:
    other = bytes_of(WEIGHTS, tmp_path, PASSPHRASE)
    refused(read, MAGIC + spelled(header_of(cheap)) + b"\n" + content_of(other))
    refused(read, MAGIC + spelled(header_of(opened)) + b"\n" + content_of(cheap))


@pytest.mark.usefixtures("underived")
def test_no_passphrase_is_refused(sealed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(sealed)
    with pytest.raises(PassphraseError, match="got none"):
        keyfile.load(path, None)


def test_a_wrong_passphrase_is_refused(cheap: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(cheap)
    with pytest.raises(PassphraseError, match="got another"):
        keyfile.load(path, PASSPHRASE + " ")


def test_the_right_passphrase_opens_what_was_sealed_at_full_price(sealed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(sealed)
    assert same(keyfile.load(path, PASSPHRASE), OWN)


# Headers that nobody wrote


KDFS: list[Any] = [
    sealing.KDF | {"m_kib": 8},
    sealing.KDF | {"m_kib": 2**31},
    sealing.KDF | {"m_kib": "262144"},
    sealing.KDF | {"t": 1},
    sealing.KDF | {"t": 10**9},
    sealing.KDF | {"lanes": 1},
    sealing.KDF | {"name": "scrypt"},
    sealing.KDF | {"more": 1},
    {"name": "argon2id"},
    {},
    [],
    "argon2id",
]


@pytest.mark.usefixtures("underived")
def test_other_derivation_parameters_are_refused_before_a_derivation(sealed: bytes, read: Read) -> None:
    def tried(kdf: Any) -> None:
        data = MAGIC + spelled(header_of(sealed) | {"kdf": kdf}) + b"\n" + content_of(sealed)
        assert "key derivation" in str(refused(read, data))

    assert failing(tried, ((kdf,) for kdf in KDFS)) == []


@pytest.mark.usefixtures("underived")
def test_another_version_is_refused(opened: bytes, sealed: bytes, read: Read) -> None:
    def tried(version: Any) -> None:
        assert isinstance(refused(read, forged(header_of(opened) | {"v": version}, content_of(opened))), MalformedError)
        refused(read, MAGIC + spelled(header_of(sealed) | {"v": version}) + b"\n" + content_of(sealed))

    assert failing(tried, ((version,) for version in (0, 2, -1, "1", True, None, [1], 10**40))) == []


RESPELLED: list[Callable[[bytes], bytes]] = [
    lambda line: line.replace(b":", b": "),
    lambda line: b" " + line,
    lambda line: line + b"\r",
    lambda line: line.replace(b'"v":1', b'"v":1.0'),
    lambda line: line.replace(b'"v":1', b'"v":1,"v":1'),
    lambda line: line.replace(b'"v":1', b'"v":2,"v":1'),
    lambda line: line.replace(b'"adi"', b'"\\u0061di"'),
    lambda line: b'{"v":1,' + line[1:].replace(b',"v":1', b""),
    lambda line: line.replace(b'"self_check":false', b'"self_check":0'),
    lambda line: line.replace(b',"self_check":false', b""),
    lambda line: line.replace(b'"v":1', b'"v":1,"w":1'),
    lambda line: line.replace(b'"modelmark.key"', b'"modelmark.claim"'),
    lambda line: line.replace(CREATED.encode(), b"NaN").replace(b'"NaN"', b"NaN"),
    lambda line: b"[" + line + b"]",
    lambda line: b"[" * 2000 + b"]" * 2000,
    lambda line: b"null",
    lambda line: b"",
]


@pytest.mark.usefixtures("underived")
def test_another_spelling_of_the_header_is_refused(opened: bytes, sealed: bytes, read: Read) -> None:
    def tried(number: int, data: bytes) -> None:
        line = spelled(header_of(data))
        other = RESPELLED[number](line)
        assert other != line
        assert isinstance(refused(read, MAGIC + other + b"\n" + content_of(data)), MalformedError)

    assert failing(tried, itertools.product(range(len(RESPELLED)), (opened, sealed))) == []


FIELDS: list[tuple[str, Any]] = [
    *((name, value) for name in ("fingerprint", "check", "salt", "nonce") for value in ("", "00", "AB" * 32, 5)),
    *((name, value) for name in ("scheme", "created", "aead") for value in (5, ["adi"], {})),
    ("aead", "AES-GCM"),
    ("self_check", "false"),
]


@pytest.mark.usefixtures("underived")
def test_a_header_field_of_another_form_is_refused(sealed: bytes, read: Read) -> None:
    def tried(field: str, value: Any) -> None:
        refused(read, MAGIC + spelled(header_of(sealed) | {field: value}) + b"\n" + content_of(sealed))

    assert failing(tried, FIELDS) == []


@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_huge_header_is_refused(tail: bytes, opened: bytes, read: Read) -> None:
    assert "header line" in str(refused(read, MAGIC + b"x" * keyfile.MAX_HEADER + tail))
    assert "header line" in str(refused(read, forged(header_of(opened) | {"created": "x" * 5000}, content_of(opened))))


def test_a_huge_file_is_refused_unread(opened: bytes, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "MAX_FILE", len(opened) - 1)
    assert f"at most {len(opened) - 1} bytes" in str(refused(read, opened))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"modelmark-key", MAGIC, MAGIC + b"\n", b"{}\n"]
)
def test_something_else_is_refused(data: bytes, read: Read) -> None:
    assert isinstance(refused(read, data), MalformedError)
